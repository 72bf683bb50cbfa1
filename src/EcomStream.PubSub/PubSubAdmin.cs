using Google.Cloud.PubSub.V1;
using Grpc.Core;

namespace EcomStream.PubSub;

/// <summary>Makes topics and subscriptions.</summary>
/// <param name="connection">The connection.</param>
public sealed class PubSubAdmin(PubSubConnection connection)
{
    /// <summary>Makes a topic unless it is there.</summary>
    /// <returns>Whether it was made.</returns>
    /// <exception cref="RpcException">The service refuses, or cannot be reached before <paramref name="cancellationToken"/> is cancelled.</exception>
    public Task<bool> EnsureTopicAsync(string topic, CancellationToken cancellationToken) =>
        Ensure(ct => connection.Publisher.CreateTopicAsync(
            new Topic { Name = connection.Settings.TopicName(topic) }, cancellationToken: ct).ResponseAsync, cancellationToken);

    /// <summary>Makes a subscription unless it is there.</summary>
    /// <returns>Whether it was made.</returns>
    /// <exception cref="RpcException">The service refuses, or cannot be reached before <paramref name="cancellationToken"/> is cancelled.</exception>
    public Task<bool> EnsureSubscriptionAsync(string subscription, string topic, CancellationToken cancellationToken) =>
        Ensure(ct => connection.Subscriber.CreateSubscriptionAsync(
            new Subscription
            {
                Name = connection.Settings.SubscriptionName(subscription),
                Topic = connection.Settings.TopicName(topic),
                AckDeadlineSeconds = (int)connection.Settings.AckDeadline.TotalSeconds,
            },
            cancellationToken: ct).ResponseAsync, cancellationToken);

    private async Task<bool> Ensure<T>(Func<CancellationToken, Task<T>> create, CancellationToken cancellationToken)
    {
        try
        {
            await Retry.UntilDone(connection, create, (_, _, _) => { }, cancellationToken);
            return true;
        }
        catch (RpcException exists) when (exists.StatusCode == StatusCode.AlreadyExists)
        {
            return false;
        }
    }
}
