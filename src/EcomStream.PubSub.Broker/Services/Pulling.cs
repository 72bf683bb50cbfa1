using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.State;
using EcomStream.PubSub.Broker.Topics;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>Which subscriptions can be pulled from, and pulling with errors as statuses.</summary>
internal static class Pulling
{
    private const int ResponseBytes = 1 << 20;

    /// <summary>The subscription, if it may be pulled from.</summary>
    public static BrokerSubscription Pullable(this BrokerState state, string name)
    {
        var subscription = state.Subscription(name);
        return subscription.Settings.Detached ? throw Detached(subscription)
            : subscription.Settings.Push is { } push ? throw new RpcException(new Status(
                StatusCode.FailedPrecondition, $"This method is not supported for this subscription type: {name} pushes to {push.Endpoint}."))
            : subscription;
    }

    public static void Take(BrokerSubscription subscription, PullConsumer consumer, int seconds, int messages, RawPullResponse response)
    {
        try
        {
            if (!subscription.Take(consumer, seconds, messages, ResponseBytes, response))
            {
                throw new RpcException(new Status(StatusCode.NotFound, $"The subscription {subscription.Name} was deleted."));
            }

            if (subscription.Settings.Detached)
            {
                throw Detached(subscription);
            }
        }
        catch (InvalidDataException damaged)
        {
            throw new RpcException(new Status(StatusCode.DataLoss, damaged.Message));
        }
    }

    private static RpcException Detached(BrokerSubscription subscription) =>
        new(new Status(StatusCode.FailedPrecondition, $"The subscription {subscription.Name} is detached from its topic."));
}
