using System.Diagnostics;
using EcomStream.Core;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Grpc.Core;

namespace EcomStream.PubSub.Tests;

/// <summary>Many messages that are not settled for several ack deadlines.</summary>
public abstract partial class PubSubServerTests
{
    // What the emulator sends in one response, which is held as a whole once it has begun.
    private const int MostInOneResponse = 10_000;

    private protected async Task HoldManyMessagesAsync()
    {
        const int Bound = 50_000;
        const int All = 60_000;
        SkipWithoutServer();
        using var connection = Connect($"ecomstream.pubsub.subscriber {{ ack-deadline = 10s, max-outstanding-messages = {Bound} }}");
        await MakeShortDeadlineAsync(connection);
        await PublishAsync(connection, All);
        await using (var subscription = Subscribe(connection, ShortDeadline))
        {
            await using var receiver = new Receiver(subscription);
            await Eventually.True(() => receiver.Count == Bound, "the bound is reached", TimeSpan.FromSeconds(60));
            var before = GC.GetTotalMemory(forceFullCollection: true);

            // A client without leases of its own sees whatever is given back, or whose lease ends.
            var others = new List<string>();
            var stalled = Stopwatch.StartNew();
            while (stalled.Elapsed < LongWait || GC.GetTotalMemory(forceFullCollection: true) - before >= 32L << 20)
            {
                // Tests that run beside this one use memory as well, until they end.
                stalled.Elapsed.ShouldBeLessThan(LongWait + TimeSpan.FromMinutes(2), "memory stays");
                others.AddRange(await PullAndAckAsync(connection));

                // Some servers answer at once that there is nothing.
                await Task.Delay(stalled.Elapsed < LongWait ? 50 : 500);
            }

            receiver.Count.ShouldBe(Bound);
            var held = subscription.Status.OutstandingMessages;
            held.ShouldBeInRange(Bound, Bound + (ServerKeepsFlowControl ? 0 : MostInOneResponse));

            AckAll(receiver);
            if (ServerKeepsFlowControl || ClientClosesStalledStreams)
            {
                await Eventually.True(() => receiver.Count == held, "what was received and not handed out comes");
                AckAll(receiver);
                await subscription.FlushAsync(default);
                others.AddRange(await PullAndAckAsync(connection));
                others.Count.ShouldBe(All - held);
            }

            await Eventually.True(
                () =>
                {
                    AckAll(receiver);
                    return receiver.Deliveries.Select(delivery => delivery.MessageId).Concat(others).Distinct().Count() == All;
                },
                "all arrive");
            await subscription.FlushAsync(default);
        }

        // A message that lay unread past its lease comes once more.
        if (ServerKeepsFlowControl || ClientClosesStalledStreams)
        {
            await ShouldHoldNothingAsync(connection, ShortDeadline);
        }
    }

    /// <summary>Asks for messages for a second at most, acks them, and returns their ids.</summary>
    private static async Task<IReadOnlyList<string>> PullAndAckAsync(PubSubConnection connection)
    {
        var name = connection.Settings.SubscriptionName(ShortDeadline);
        try
        {
            // gRPC compares a deadline with the system's clock.
            var pulled = await connection.Subscriber.PullAsync(
                new PullRequest { Subscription = name, MaxMessages = 1_000 }, deadline: DateTime.UtcNow.AddSeconds(1));
            if (pulled.ReceivedMessages.Count > 0)
            {
                await connection.Subscriber.AcknowledgeAsync(
                    new AcknowledgeRequest { Subscription = name, AckIds = { pulled.ReceivedMessages.Select(message => message.AckId) } });
            }

            return [.. pulled.ReceivedMessages.Select(message => message.Message.MessageId)];
        }
        catch (RpcException nothing) when (nothing.StatusCode == StatusCode.DeadlineExceeded)
        {
            return [];
        }
    }
}
