using Google.Cloud.PubSub.V1;
using Grpc.Core;

namespace EcomStream.Chaos.Checking;

/// <summary>Reads a subscription of the checker's own, with the bare generated client, through all faults.</summary>
internal sealed class SubscriptionReader(Subscriber.SubscriberClient client, string subscription, Action<PubsubMessage> onMessage)
{
    private const int MostMessages = 1_000;
    private static readonly TimeSpan _pause = TimeSpan.FromMilliseconds(200);

    // gRPC compares a deadline with the system's clock.
    private static DateTime CallDeadline => DateTime.UtcNow + TimeSpan.FromSeconds(5);

    /// <summary>Reads and acks until it is cancelled. A message is acked after it was handed over.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        var path = Names.SubscriptionPath(subscription);
        while (!cancellationToken.IsCancellationRequested)
        {
            try
            {
#pragma warning disable CS0612 // an empty subscription is to answer at once
                var request = new PullRequest { Subscription = path, MaxMessages = MostMessages, ReturnImmediately = true };
#pragma warning restore CS0612
                var response = await client.PullAsync(request, deadline: CallDeadline, cancellationToken: cancellationToken);
                foreach (var message in response.ReceivedMessages)
                {
                    onMessage(message.Message);
                }

                if (response.ReceivedMessages.Count > 0)
                {
                    var acks = new AcknowledgeRequest { Subscription = path };
                    acks.AckIds.AddRange(response.ReceivedMessages.Select(message => message.AckId));
                    await client.AcknowledgeAsync(acks, deadline: CallDeadline, cancellationToken: cancellationToken);
                }

                if (response.ReceivedMessages.Count < MostMessages / 2)
                {
                    await Task.Delay(_pause, cancellationToken);
                }
            }
            catch (OperationCanceledException)
            {
                return;
            }
            catch (RpcException) when (!cancellationToken.IsCancellationRequested)
            {
                // The broker is away. What was not acked comes again.
                await Task.Delay(_pause, CancellationToken.None);
            }
            catch (RpcException)
            {
                return;
            }
        }
    }
}
