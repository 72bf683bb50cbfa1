using System.Diagnostics;
using Google.Cloud.PubSub.V1;
using Google.Cloud.PubSub.V1.Schemas;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>
/// A Pub/Sub server and generated clients of it, in a project of the test's own. The broker's clock is the test's, so
/// that a minute takes none; on the emulator it takes a minute, and a busy machine makes every step longer.
/// </summary>
internal sealed class PubSubUnderTest : IAsyncDisposable
{
    /// <summary>The ack deadline of subscriptions and streams whose test sets none, seconds: no lease ends during such a test.</summary>
    public const int LongLease = 60;

    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(200);

    // Between pulls that are answered at once.
    private static readonly TimeSpan Pause = TimeSpan.FromMilliseconds(20);

    private readonly GrpcChannel _channel;
    private readonly EmbeddedBroker? _broker;
    private readonly FakeTimeProvider? _time;
    private readonly TemporaryFolder? _folder;

    private PubSubUnderTest(string endpoint, EmbeddedBroker? broker, FakeTimeProvider? time, TemporaryFolder? folder)
    {
        (_broker, _time, _folder) = (broker, time, folder);
        _channel = GrpcChannel.ForAddress($"http://{endpoint}", new GrpcChannelOptions { MaxReceiveMessageSize = null, MaxSendMessageSize = null });
        Publisher = new Publisher.PublisherClient(_channel);
        Subscriber = new Subscriber.SubscriberClient(_channel);
        Schemas = new SchemaService.SchemaServiceClient(_channel);
        Rest = new RestClient(endpoint);
    }

    public Publisher.PublisherClient Publisher { get; }

    public Subscriber.SubscriberClient Subscriber { get; }

    public SchemaService.SchemaServiceClient Schemas { get; }

    public RestClient Rest { get; }

    /// <summary>How long something that has to come may take.</summary>
    public TimeSpan Patience { get; set; } = TimeSpan.FromSeconds(20);

    /// <summary>The monotonic clock by which leases end.</summary>
    public TimeProvider Time => _time ?? TimeProvider.System;

    public string Project { get; } = $"projects/conformance-{Guid.NewGuid():n}";

    public string Topic => NameOfTopic("orders");

    public string Subscription => NameOfSubscription("orders-sub");

    public static async Task<PubSubUnderTest> StartAsync(ServerKind kind)
    {
        if (kind == ServerKind.Emulator)
        {
            var endpoint = Environment.GetEnvironmentVariable("ECOMSTREAM_TEST_PUBSUB_EMULATOR") ?? "";
            Skip.If(endpoint.Length == 0, "ECOMSTREAM_TEST_PUBSUB_EMULATOR is not set");
            return new PubSubUnderTest(endpoint, null, null, null);
        }

        var folder = new TemporaryFolder();
        var time = new FakeTimeProvider(DateTimeOffset.UtcNow);
        var broker = await EmbeddedBroker.StartAsync(
            new EmbeddedBrokerOptions { DataDirectory = folder.Path, Time = time, Fsync = FsyncPolicy.Never });
        return new PubSubUnderTest(broker.Endpoint, broker, time, folder);
    }

    public string NameOfTopic(string id) => $"{Project}/topics/{id}";

    public string NameOfSubscription(string id) => $"{Project}/subscriptions/{id}";

    public string NameOfSnapshot(string id) => $"{Project}/snapshots/{id}";

    /// <summary>Makes the topic and its subscription.</summary>
    public async Task<Subscription> MakeAsync(Action<Subscription>? settings = null)
    {
        await Publisher.CreateTopicAsync(new Topic { Name = Topic });
        return await SubscribeAsync("orders-sub", settings);
    }

    /// <summary>Makes a subscription of the topic, with the ack deadline <see cref="LongLease"/> unless the settings have another.</summary>
    public async Task<Subscription> SubscribeAsync(string id, Action<Subscription>? settings = null)
    {
        var subscription = new Subscription { Name = NameOfSubscription(id), Topic = Topic, AckDeadlineSeconds = LongLease };
        settings?.Invoke(subscription);
        return await Subscriber.CreateSubscriptionAsync(subscription);
    }

    public Task<IReadOnlyList<string>> PublishAsync(params IEnumerable<string> texts) =>
        PublishAsync([.. texts.Select(text => new PubsubMessage { Data = ByteString.CopyFromUtf8(text) })]);

    public async Task<IReadOnlyList<string>> PublishAsync(params PubsubMessage[] messages)
    {
        var request = new PublishRequest { Topic = Topic };
        request.Messages.AddRange(messages);

        // A server may never answer a request that it refuses to read. gRPC compares a deadline with the system's clock.
        return (await Publisher.PublishAsync(request, deadline: DateTime.UtcNow + Patience)).MessageIds;
    }

    /// <summary>What there is now. A server may answer without a message although there is one.</summary>
    public async Task<IReadOnlyList<ReceivedMessage>> PullAsync(int max = 1_000, string? subscription = null)
    {
#pragma warning disable CS0612 // an empty subscription is to answer at once
        var request = new PullRequest { Subscription = subscription ?? Subscription, MaxMessages = max, ReturnImmediately = true };
#pragma warning restore CS0612
        return (await Subscriber.PullAsync(request)).ReceivedMessages;
    }

    /// <summary>Pulls until so many have come, and no more: no server has to put them into one answer.</summary>
    public async Task<IReadOnlyList<ReceivedMessage>> PullExactlyAsync(int count, string? subscription = null)
    {
        var all = new List<ReceivedMessage>();
        var clock = Stopwatch.StartNew();
        while (all.Count < count)
        {
            var messages = await PullAsync(1_000, subscription);
            all.AddRange(messages);
            if (messages.Count == 0)
            {
                await Task.Delay(Pause);
            }

            clock.Elapsed.ShouldBeLessThan(Patience, $"{all.Count} of {count} messages came");
        }

        all.Count.ShouldBe(count);
        return all;
    }

    /// <summary>Pulls until messages come.</summary>
    public async Task<IReadOnlyList<ReceivedMessage>> PullSomeAsync(int max)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            if (await PullAsync(max) is { Count: > 0 } messages)
            {
                return messages;
            }

            clock.Elapsed.ShouldBeLessThan(Patience, "a message comes");
            await Task.Delay(Pause);
        }
    }

    /// <summary>So much time passes, and no message comes meanwhile.</summary>
    public async Task NothingComesAsync(TimeSpan time)
    {
        var start = Time.GetTimestamp();
        while (true)
        {
            var passed = Time.GetElapsedTime(start);
            (await PullAsync()).ShouldBeEmpty($"after {passed}");
            if (passed >= time)
            {
                return;
            }

            await PassAsync(Step);
        }
    }

    /// <summary>Time passes until a message comes, which is when its lease ends and not before.</summary>
    /// <param name="requested">A timestamp from before the request that the message was delivered for.</param>
    /// <param name="lease">How long the lease lasts.</param>
    public async Task<ReceivedMessage> RedeliveredAsync(long requested, TimeSpan lease)
    {
        IReadOnlyList<ReceivedMessage> messages;
        TimeSpan passed;
        do
        {
            await PassAsync(Step);
            messages = await PullAsync();
            passed = Time.GetElapsedTime(requested);
            passed.ShouldBeLessThan(lease + Patience, "the message is delivered again");
        }
        while (messages.Count == 0);

        if (_time is null)
        {
            // The emulator may measure a lease with another clock, in steps.
            passed.ShouldBeGreaterThanOrEqualTo(lease - TimeSpan.FromSeconds(0.5));
        }
        else
        {
            passed.ShouldBeInRange(lease, lease + Step);
        }

        return messages.ShouldHaveSingleItem();
    }

    public async Task AckAsync(params IEnumerable<ReceivedMessage> messages) => await AckAsync(Subscription, messages);

    public async Task AckAsync(string subscription, IEnumerable<ReceivedMessage> messages)
    {
        var request = new AcknowledgeRequest { Subscription = subscription };
        request.AckIds.AddRange(messages.Select(m => m.AckId));
        await Subscriber.AcknowledgeAsync(request);
    }

    public async Task ModifyAsync(IEnumerable<ReceivedMessage> messages, int seconds)
    {
        var request = new ModifyAckDeadlineRequest { Subscription = Subscription, AckDeadlineSeconds = seconds };
        request.AckIds.AddRange(messages.Select(m => m.AckId));
        await Subscriber.ModifyAckDeadlineAsync(request);
    }

    public Task NackAsync(params IEnumerable<ReceivedMessage> messages) => ModifyAsync(messages, 0);

    public async Task<AsyncDuplexStreamingCall<StreamingPullRequest, StreamingPullResponse>> StreamAsync(Action<StreamingPullRequest>? settings = null)
    {
        var first = new StreamingPullRequest { Subscription = Subscription, StreamAckDeadlineSeconds = LongLease };
        settings?.Invoke(first);
        var call = Subscriber.StreamingPull();
        await BrokerClient.OpenAsync(call, first);
        return call;
    }

    /// <summary>So much time passes.</summary>
    public async Task PassAsync(TimeSpan time)
    {
        if (_time is null)
        {
            await Task.Delay(time);
            return;
        }

        // Step by step, so that what happens on a timer happens in between.
        for (var passed = TimeSpan.Zero; passed < time; passed += Step)
        {
            _time.Advance(Step);
        }
    }

    /// <summary>Reads so many messages of a stream, or a few more.</summary>
    public static async Task<IReadOnlyList<ReceivedMessage>> ReadAsync(
        AsyncDuplexStreamingCall<StreamingPullRequest, StreamingPullResponse> stream, int count)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var all = new List<ReceivedMessage>();
        while (all.Count < count && await stream.ResponseStream.MoveNext(deadline.Token))
        {
            all.AddRange(stream.ResponseStream.Current.ReceivedMessages);
        }

        return all;
    }

    public static string Text(ReceivedMessage message) => message.Message.Data.ToStringUtf8();

    public static async Task<StatusCode> StatusOf<T>(AsyncUnaryCall<T> call) => await StatusOf(() => call.ResponseAsync);

    public static async Task<StatusCode> StatusOf<T>(Func<Task<T>> call)
    {
        try
        {
            await call();
            return StatusCode.OK;
        }
        catch (RpcException error)
        {
            return error.StatusCode;
        }
    }

    /// <summary>The status that a stream ends with.</summary>
    public static Task<StatusCode> StatusOf(
        AsyncDuplexStreamingCall<StreamingPullRequest, StreamingPullResponse> stream, TimeSpan? patience = null) => StatusOf(async () =>
    {
        using var deadline = new CancellationTokenSource(patience ?? TimeSpan.FromSeconds(20));
        while (await stream.ResponseStream.MoveNext(deadline.Token))
        {
        }

        return true;
    });

    public async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        Rest.Dispose();
        if (_broker is not null)
        {
            await _broker.DisposeAsync();
        }

        _folder?.Dispose();
    }
}
