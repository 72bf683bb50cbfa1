using System.Text;
using EcomStream.Broker.V1;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>A running broker and generated clients of it, as any other program would have them.</summary>
internal sealed class BrokerClient : IAsyncDisposable
{
    public const string Topic = "projects/p/topics/orders";
    public const string Subscription = "projects/p/subscriptions/orders-sub";

    private readonly GrpcChannel _channel;

    private BrokerClient(EmbeddedBroker broker)
    {
        Broker = broker;
        _channel = GrpcChannel.ForAddress($"http://{broker.Endpoint}", new GrpcChannelOptions
        {
            MaxReceiveMessageSize = null,
            MaxSendMessageSize = null,
        });
        Publisher = new Publisher.PublisherClient(_channel);
        Subscriber = new Subscriber.SubscriberClient(_channel);
        Inspection = new Inspection.InspectionClient(_channel);
    }

    public EmbeddedBroker Broker { get; }

    public Publisher.PublisherClient Publisher { get; }

    public Subscriber.SubscriberClient Subscriber { get; }

    public Inspection.InspectionClient Inspection { get; }

    public SubscriptionStats Stats => Broker.GetSubscriptionStats(Subscription)!.Value;

    public static async Task<BrokerClient> StartAsync(string folder, Func<EmbeddedBrokerOptions, EmbeddedBrokerOptions>? change = null)
    {
        var options = new EmbeddedBrokerOptions { DataDirectory = folder };
        return new BrokerClient(await EmbeddedBroker.StartAsync(change?.Invoke(options) ?? options));
    }

    /// <summary>A broker with the topic and its subscription.</summary>
    public static async Task<BrokerClient> StartReadyAsync(string folder, Func<EmbeddedBrokerOptions, EmbeddedBrokerOptions>? change = null)
    {
        var client = await StartAsync(folder, change);
        await client.Publisher.CreateTopicAsync(new Topic { Name = Topic });
        await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = Subscription, Topic = Topic, AckDeadlineSeconds = 10 });
        return client;
    }

    /// <summary>Calls a method with whatever these bytes are.</summary>
    public async Task CallAsync(string service, string method, byte[] request)
    {
        var bytes = Marshallers.Create<byte[]>(message => message, message => message);
        if (method != "StreamingPull")
        {
            await _channel.CreateCallInvoker().AsyncUnaryCall(new Method<byte[], byte[]>(MethodType.Unary, service, method, bytes, bytes), null, default, request);
            return;
        }

        using var call = _channel.CreateCallInvoker().AsyncDuplexStreamingCall(
            new Method<byte[], byte[]>(MethodType.DuplexStreaming, service, method, bytes, bytes), null, default);
        await call.RequestStream.WriteAsync(request);
        await call.RequestStream.CompleteAsync();
        while (await call.ResponseStream.MoveNext(CancellationToken.None))
        {
            // Only how it ends counts.
        }
    }

    /// <summary>Publishes whatever these bytes are.</summary>
    public async Task PublishAsync(byte[] request)
    {
        var bytes = Marshallers.Create<byte[]>(message => message, message => message);
        var publish = new Method<byte[], byte[]>(MethodType.Unary, "google.pubsub.v1.Publisher", "Publish", bytes, bytes);
        await _channel.CreateCallInvoker().AsyncUnaryCall(publish, null, default, request);
    }

    public async Task<IReadOnlyList<string>> PublishAsync(params IEnumerable<string> texts)
    {
        var request = new PublishRequest { Topic = Topic };
        request.Messages.AddRange(texts.Select(text => new PubsubMessage { Data = ByteString.CopyFromUtf8(text) }));
        return (await Publisher.PublishAsync(request)).MessageIds;
    }

    public async Task PublishManyAsync(int count)
    {
        foreach (var chunk in Enumerable.Range(0, count).Select(i => $"message {i}").Chunk(500))
        {
            await PublishAsync(chunk);
        }
    }

    public async Task<IReadOnlyList<ReceivedMessage>> PullAsync(int max = 1_000)
    {
#pragma warning disable CS0612 // an empty subscription is to answer at once
        var request = new PullRequest { Subscription = Subscription, MaxMessages = max, ReturnImmediately = true };
#pragma warning restore CS0612
        return (await Subscriber.PullAsync(request)).ReceivedMessages;
    }

    public async Task AckAsync(IEnumerable<ReceivedMessage> messages)
    {
        var request = new AcknowledgeRequest { Subscription = Subscription };
        request.AckIds.AddRange(messages.Select(m => m.AckId));
        await Subscriber.AcknowledgeAsync(request);
    }

    public async Task ModifyAsync(IEnumerable<ReceivedMessage> messages, int seconds)
    {
        var request = new ModifyAckDeadlineRequest { Subscription = Subscription, AckDeadlineSeconds = seconds };
        request.AckIds.AddRange(messages.Select(m => m.AckId));
        await Subscriber.ModifyAckDeadlineAsync(request);
    }

    public async Task<AsyncDuplexStreamingCall<StreamingPullRequest, StreamingPullResponse>> StreamAsync(int maxMessages = 0, int seconds = 10)
    {
        var call = Subscriber.StreamingPull();
        await OpenAsync(call, new StreamingPullRequest
        {
            Subscription = Subscription,
            StreamAckDeadlineSeconds = seconds,
            MaxOutstandingMessages = maxMessages,
        });
        return call;
    }

    /// <summary>
    /// Writes the first request of a stream. A server that refuses the call may have ended it before the request is on the
    /// wire; then the write fails, and reading the responses gives the status.
    /// </summary>
    public static async Task OpenAsync(AsyncDuplexStreamingCall<StreamingPullRequest, StreamingPullResponse> call, StreamingPullRequest first)
    {
        try
        {
            await call.RequestStream.WriteAsync(first);
        }
        catch (RpcException)
        {
            // The reader of the call gets the status that the server sent.
        }
    }

    public static string Text(ReceivedMessage message) => Encoding.UTF8.GetString(message.Message.Data.Span);

    public async ValueTask DisposeAsync()
    {
        _channel.Dispose();
        await Broker.DisposeAsync();
    }
}
