using Google.Rpc;
using Grpc.Core;

namespace EcomStream.PubSub;

/// <summary>
/// What a subscription with exactly-once delivery says of the ids in a request that failed for some of them alone; the
/// others have succeeded (https://cloud.google.com/pubsub/docs/exactly-once-delivery).
/// </summary>
/// <param name="Permanent">Their lease had ended, or they were settled before: they may be delivered again.</param>
/// <param name="Temporary">The same request may succeed for them later.</param>
internal sealed record AckFailures(PubSubDelivery[] Permanent, PubSubDelivery[] Temporary)
{
    // google.rpc.ErrorInfo.metadata has an entry for each ack id that failed, with one of these in front of the reason.
    private const string PermanentPrefix = "PERMANENT_FAILURE_";
    private const string TemporaryPrefix = "TRANSIENT_FAILURE_";

    /// <summary>Reads a failure; null when it says nothing of single ids.</summary>
    public static AckFailures? Of(RpcException error, ArraySegment<PubSubDelivery> request)
    {
        if (error.GetRpcStatus()?.GetDetail<ErrorInfo>() is not { Metadata.Count: > 0 } info)
        {
            return null;
        }

        var permanent = With(PermanentPrefix);
        var temporary = With(TemporaryPrefix);
        return permanent.Length + temporary.Length > 0 ? new AckFailures(permanent, temporary) : null;

        PubSubDelivery[] With(string prefix) =>
            [.. request.Where(d => info.Metadata.TryGetValue(d.AckId, out var reason) && reason.StartsWith(prefix, StringComparison.Ordinal))];
    }
}
