using System.Collections.Concurrent;
using System.Diagnostics;
using EcomStream.PubSub.Broker;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;

namespace EcomStream.EndToEnd.Tests;

/// <summary>The broker as a process of its own, killed under load again and again.</summary>
public sealed class BrokerKillTests : IDisposable
{
    private const string Topic = "projects/kill/topics/orders";
    private const string Subscription = "projects/kill/subscriptions/orders-sub";

    // gRPC compares a deadline with the system's clock.
    private static DateTime CallDeadline => DateTime.UtcNow + TimeSpan.FromSeconds(5);

    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"ecomstream-test-{Guid.NewGuid():n}");
    private readonly int _port = EcomStreamProcess.FreePort();
    private readonly ConcurrentDictionary<string, bool> _published = new();
    private readonly ConcurrentDictionary<string, bool> _received = new();
    private readonly ConcurrentDictionary<string, long> _acked = new();
    private readonly ConcurrentQueue<string> _forgotten = new();

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    // That a power cut may take more with interval is in the broker's own tests: the kill of a process takes nothing.
    [Theory]
    [InlineData("Always", 20, 12)]
    [InlineData("Interval", 16, 12)]
    public async Task Kills_at_random_instants_lose_no_published_message_and_forget_no_confirmed_ack(string fsync, int full, int part)
    {
        var kills = TestSupport.TestSize.Of(full, part);
        using var channel = GrpcChannel.ForAddress($"http://127.0.0.1:{_port}");
        var publisher = new Publisher.PublisherClient(channel);
        var subscriber = new Subscriber.SubscriberClient(channel);
        var random = new Random(20261124);
        using var stop = new CancellationTokenSource();
        Task load = Task.CompletedTask;
        for (var kill = 0; kill < kills; kill++)
        {
            using var broker = StartBroker(fsync);
            if (kill == 0)
            {
                await RetriedAsync(() => publisher.CreateTopicAsync(new Topic { Name = Topic }).ResponseAsync, stop.Token);
                await RetriedAsync(() => subscriber.CreateSubscriptionAsync(
                    new Subscription { Name = Subscription, Topic = Topic, AckDeadlineSeconds = 600 }).ResponseAsync, stop.Token);
                load = Task.WhenAll(
                    PublishAsync(publisher, "a", stop.Token), PublishAsync(publisher, "b", stop.Token),
                    ConsumeAsync(subscriber, stop.Token), ConsumeAsync(subscriber, stop.Token));
            }

            var answered = _published.Count;
            await TestSupport.Eventually.True(
                () => broker.HasExited || _published.Count > answered, "the broker answers", TimeSpan.FromSeconds(60));
            broker.HasExited.ShouldBeFalse(broker.Output);
            await Task.Delay(random.Next(0, 300));
            await broker.KillAsync();
        }

        using var last = StartBroker(fsync);
        await stop.CancelAsync();
        await load;
        while (await PullAsync(subscriber, CancellationToken.None) is { Count: > 0 } rest)
        {
            await AckAsync(subscriber, rest, CancellationToken.None);
        }

        await last.TerminateAsync();
        (await last.ExitCodeAsync(TimeSpan.FromSeconds(30))).ShouldBe(0, last.Output);

        // Segments were filled and deleted on the way.
        Directory.GetFiles(Path.Combine(_folder, "broker", "topics", "1"), "*.log").Select(Path.GetFileNameWithoutExtension).Min()!.ShouldNotBe(new string('0', 20));
        _published.Count.ShouldBeGreaterThan(kills * 10);
        _acked.ShouldNotBeEmpty();
        _published.Keys.Where(text => !_received.ContainsKey(text)).ShouldBeEmpty();
        _forgotten.ShouldBeEmpty();
        await using var left = await EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { DataDirectory = Path.Combine(_folder, "broker") });
        left.GetSubscriptionStats(Subscription)!.Value.Backlog.ShouldBe(0);
    }

    private EcomStreamProcess StartBroker(string fsync) =>
        EcomStreamProcess.Start("broker", "--data", _folder, "--port", $"{_port}", "--fsync", fsync, "--segment-bytes", "65536");

    private async Task PublishAsync(Publisher.PublisherClient publisher, string name, CancellationToken stop)
    {
        for (var n = 0; !stop.IsCancellationRequested; n += 20)
        {
            var texts = Enumerable.Range(n, 20).Select(i => $"{name}{i}").ToList();
            var request = new PublishRequest { Topic = Topic };
            request.Messages.AddRange(texts.Select(text => new PubsubMessage { Data = ByteString.CopyFromUtf8(text) }));
            if (await RetriedAsync(() => publisher.PublishAsync(request, deadline: CallDeadline).ResponseAsync, stop) is not null)
            {
                texts.ForEach(text => _published[text] = true);
            }
        }
    }

    private async Task ConsumeAsync(Subscriber.SubscriberClient subscriber, CancellationToken stop)
    {
        while (!stop.IsCancellationRequested)
        {
            if (await PullAsync(subscriber, stop) is { Count: > 0 } messages)
            {
                await AckAsync(subscriber, messages, stop);
            }
        }
    }

    private async Task<IReadOnlyList<ReceivedMessage>?> PullAsync(Subscriber.SubscriberClient subscriber, CancellationToken stop)
    {
        // Only what was confirmed before the pull was sent must not come.
        var sent = Stopwatch.GetTimestamp();
#pragma warning disable CS0612 // an empty subscription is to answer at once
        var request = new PullRequest { Subscription = Subscription, MaxMessages = 100, ReturnImmediately = true };
#pragma warning restore CS0612
        var response = await RetriedAsync(() => subscriber.PullAsync(request, deadline: CallDeadline).ResponseAsync, stop);
        foreach (var message in response?.ReceivedMessages ?? [])
        {
            _received[message.Message.Data.ToStringUtf8()] = true;
            if (_acked.TryGetValue(message.Message.MessageId, out var confirmed) && confirmed < sent)
            {
                _forgotten.Enqueue(message.Message.MessageId);
            }
        }

        return response?.ReceivedMessages;
    }

    private async Task AckAsync(Subscriber.SubscriberClient subscriber, IReadOnlyList<ReceivedMessage> messages, CancellationToken stop)
    {
        var request = new AcknowledgeRequest { Subscription = Subscription };
        request.AckIds.AddRange(messages.Select(m => m.AckId));
        if (await RetriedAsync(() => subscriber.AcknowledgeAsync(request, deadline: CallDeadline).ResponseAsync, stop) is not null)
        {
            foreach (var message in messages)
            {
                _acked.TryAdd(message.Message.MessageId, Stopwatch.GetTimestamp());
            }
        }
    }

    // Tries until it is answered: what the dead broker may or may not have done is done again. Null when told to stop.
    private static async Task<T?> RetriedAsync<T>(Func<Task<T>> call, CancellationToken stop)
        where T : class
    {
        while (true)
        {
            try
            {
                return await call();
            }
            catch (RpcException error) when (error.StatusCode is StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Internal or StatusCode.Cancelled or StatusCode.Unknown)
            {
                if (stop.IsCancellationRequested)
                {
                    return null;
                }

                await Task.Delay(20, CancellationToken.None);
            }
            catch (RpcException error) when (error.StatusCode == StatusCode.AlreadyExists)
            {
                return null;
            }
        }
    }
}
