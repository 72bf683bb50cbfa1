using Grpc.Core;

namespace EcomStream.PubSub.Broker;

/// <summary>
/// What calls of a method meet instead of a healthy broker, for tests of how a client copes: a delay, an error, or the loss of
/// the answer. Over gRPC and REST alike.
/// </summary>
/// <param name="Method">The name of a method of google.pubsub.v1 or IAMPolicy, such as Publish or StreamingPull; * for any.</param>
public sealed record BrokerFault(string Method)
{
    /// <summary>Any method.</summary>
    public const string AnyMethod = "*";

    /// <summary>How long the call waits first.</summary>
    public TimeSpan Delay { get; init; }

    /// <summary>What the call is answered with; null where it is only delayed. A stream gets it when it is opened.</summary>
    public StatusCode? Status { get; init; }

    /// <summary>How many calls it meets; null for all until it is removed.</summary>
    public int? Times { get; init; }

    /// <summary>
    /// Whether the call takes effect before it is answered with <see cref="Status"/>, as when the answer is lost: a publish is
    /// stored, an ack counts. Not for StreamingPull.
    /// </summary>
    public bool AfterEffect { get; init; }
}
