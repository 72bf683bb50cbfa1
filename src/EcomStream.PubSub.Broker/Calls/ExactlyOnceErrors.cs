using EcomStream.PubSub.Broker.Delivery;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Calls;

/// <summary>
/// The status of a request of which some ack ids failed, on a subscription with exactly-once delivery: the details name
/// each that did, the others have succeeded (https://cloud.google.com/pubsub/docs/exactly-once-delivery).
/// </summary>
internal static class ExactlyOnceErrors
{
    private const string Domain = "pubsub.googleapis.com";
    private const string Reason = "EXACTLY_ONCE_ACKID_FAILURE";
    private const string Invalid = "PERMANENT_FAILURE_INVALID_ACK_ID";
    private const string Unordered = "TRANSIENT_FAILURE_UNORDERED_ACK_ID";

    public static void ThrowIfAny(AckOutcome? outcome)
    {
        if (outcome is null or { IsWhole: true })
        {
            return;
        }

        var info = new ErrorInfo { Domain = Domain, Reason = Reason };
        foreach (var id in outcome.Invalid)
        {
            info.Metadata[id] = Invalid;
        }

        foreach (var id in outcome.Unordered)
        {
            info.Metadata[id] = Unordered;
        }

        var (code, message) = outcome.Invalid.Count > 0
            ? (Code.InvalidArgument, "Some ack ids have expired or were never given out; they are named in the details.")
            : (Code.FailedPrecondition, "Some ack ids were sent before those of earlier messages of their ordering key; they are named in the details.");
        throw new Google.Rpc.Status { Code = (int)code, Message = message, Details = { Any.Pack(info) } }.ToRpcException();
    }
}
