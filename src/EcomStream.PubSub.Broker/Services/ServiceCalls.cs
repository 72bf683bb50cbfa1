using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>What the methods of the Subscriber service have in common: limits, and errors as statuses.</summary>
internal static class ServiceCalls
{
    // https://cloud.google.com/pubsub/docs/lease-management
    public const int MinAckDeadlineSeconds = 10;
    public const int MaxAckDeadlineSeconds = 600;

    private const int ResponseBytes = 1 << 20;

    public static void Take(BrokerSubscription subscription, PullConsumer consumer, int seconds, int messages, RawPullResponse response)
    {
        try
        {
            if (!subscription.Take(consumer, seconds, messages, ResponseBytes, response))
            {
                throw new RpcException(new Status(StatusCode.NotFound, $"The subscription {subscription.Name} was deleted."));
            }
        }
        catch (InvalidDataException damaged)
        {
            throw new RpcException(new Status(StatusCode.DataLoss, damaged.Message));
        }
    }

    public static void Write(Action write)
    {
        try
        {
            write();
        }
        catch (IOException full)
        {
            throw new RpcException(new Status(StatusCode.ResourceExhausted, $"The broker cannot write: {full.Message}"));
        }
    }

    public static RpcException Invalid(string message) => new(new Status(StatusCode.InvalidArgument, message));
}
