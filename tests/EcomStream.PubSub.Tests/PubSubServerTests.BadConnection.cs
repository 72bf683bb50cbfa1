using System.Diagnostics;
using EcomStream.Core;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Grpc.Core;

namespace EcomStream.PubSub.Tests;

/// <summary>A connection that fails in every way for several ack deadlines.</summary>
public abstract partial class PubSubServerTests
{
    private protected async Task ReadOverABadConnectionAsync()
    {
        SkipWithoutServer();
        var seed = Random.Shared.Next();
        var random = new Random(seed);
        await using var proxy = new TcpProxy(Endpoint);
        const string Hocon =
            """
            ecomstream.pubsub {
              subscriber.ack-deadline = 10s
              connection.request-timeout = 2s
            }
            """;
        using var direct = Connect();
        await MakeShortDeadlineAsync(direct);
        using var connection = PubSubConnection.Create(TestSettings.Of(proxy.Endpoint, Project, Hocon));
        await using var subscription = Subscribe(connection, ShortDeadline);
        await using var receiver = new Receiver(subscription, delivery => delivery.Ack());
        var clock = Stopwatch.StartNew();
        var published = 0;
        while (clock.Elapsed < LongWait)
        {
            proxy.Delay = TimeSpan.FromMilliseconds(random.Next(30));
            switch (random.Next(4))
            {
                case 0:
                    proxy.Cut();
                    break;
                case 1:
                    proxy.Refuse(true);
                    proxy.Cut();
                    break;
                case 2:
                    proxy.Stall();
                    break;
            }

            // Goes through the proxy, and so is answered only when that lets it.
            var publishing = PublishAsync(connection, 100, $"round {published}");
            published += 100;
            await Task.Delay(random.Next(50, 1_000));
            proxy.Resume();
            proxy.Refuse(false);
            await publishing;
        }

        proxy.Delay = TimeSpan.Zero;
        var (received, accepted) = (receiver.Count, proxy.Accepted);
        proxy.Cut();
        var recovery = Stopwatch.StartNew();
        var recovered = RecoveredAsync();
        for (var end = published + 100; published < end; published += 5)
        {
            await PublishAsync(direct, 5, $"round {published}");
        }

        (await recovered).ShouldBeLessThan(LongestRecovery, "the longest backoff of these settings is 0.24 s");
        if (ServerNoticesCuts)
        {
            await Eventually.True(() => receiver.Texts.Distinct().Count() == published, $"all of {published} arrive, seed {seed}", TimeSpan.FromMinutes(1));
        }

        await subscription.FlushAsync(default);
        await Eventually.True(() => subscription.Status.OutstandingMessages == 0, $"all are settled, seed {seed}", TimeSpan.FromSeconds(30));
        await receiver.DisposeAsync();
        await subscription.DisposeAsync();
        if (!ServerNoticesCuts)
        {
            await EndStreamsAsync(direct, ShortDeadline);
            await using var next = Subscribe(connection, ShortDeadline);
            await using var rest = new Receiver(next, delivery => delivery.Ack());
            await Eventually.True(
                () => receiver.Texts.Concat(rest.Texts).Distinct().Count() == published,
                $"the rest of {published} arrives, seed {seed}",
                TimeSpan.FromMinutes(1));
        }

        await ShouldHoldNothingAsync(direct, ShortDeadline);

        // Without the time that publishing goes on for after it.
        async Task<TimeSpan> RecoveredAsync()
        {
            await Eventually.True(
                () => proxy.Accepted > accepted && subscription.Status.IsReading && (!ServerNoticesCuts || receiver.Count > received),
                $"it reads again, seed {seed}");
            return recovery.Elapsed;
        }
    }

    // The emulator ends the streams of a subscription that is a push subscription, the dead ones too, within seconds.
    private async Task EndStreamsAsync(PubSubConnection connection, string subscription)
    {
        await using var witness = Subscribe(connection, subscription);
        await using var receiver = new Receiver(witness, delivery => delivery.Nack());
        await Eventually.True(() => witness.Status.IsReading, "a stream is open");
        await PushToAsync("http://127.0.0.1:1/");
        await Should.ThrowAsync<SubscriptionFailedException>(receiver.Completion);
        await Task.Delay(TimeSpan.FromSeconds(10));
        await PushToAsync("");

        Task PushToAsync(string endpoint) => connection.Subscriber.ModifyPushConfigAsync(new ModifyPushConfigRequest
        {
            Subscription = connection.Settings.SubscriptionName(subscription),
            PushConfig = new PushConfig { PushEndpoint = endpoint },
        }).ResponseAsync;
    }
}
