using Akka.Configuration;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>How a failure of a pipeline is logged.</summary>
internal static class PipelineFailures
{
    /// <summary>
    /// The exception to log beside its message; null where the message says what a user must change, and a stack trace would
    /// only hide it.
    /// </summary>
    public static Exception? Trace(Exception failure) =>
        failure is StoreRejectedException or SubscriptionFailedException or SubscriptionTakenException or PublishFailedException
            or ConfigurationException or NodeRemovedException
            ? null
            : failure;
}
