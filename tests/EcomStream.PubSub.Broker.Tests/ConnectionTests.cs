using System.Net.Sockets;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>What one connection may carry, and which connections are closed.</summary>
public sealed class ConnectionTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task One_connection_carries_more_streams_than_a_hundred_and_publishes_beside_them()
    {
        const int Streams = 300;
        await using var broker = await BrokerClient.StartReadyAsync(_folder.Path);
        using var handler = new SocketsHttpHandler { EnableMultipleHttp2Connections = false };
        using var channel = GrpcChannel.ForAddress($"http://{broker.Broker.Endpoint}", new GrpcChannelOptions { HttpHandler = handler });
        var subscriber = new Subscriber.SubscriberClient(channel);
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var streams = new List<AsyncDuplexStreamingCall<StreamingPullRequest, StreamingPullResponse>>();
        for (var i = 0; i < Streams; i++)
        {
            var name = $"projects/p/subscriptions/stream-{i}";
            await broker.Subscriber.CreateSubscriptionAsync(new Subscription { Name = name, Topic = BrokerClient.Topic });
            var stream = subscriber.StreamingPull(cancellationToken: deadline.Token);
            await stream.RequestStream.WriteAsync(new StreamingPullRequest { Subscription = name, StreamAckDeadlineSeconds = 10 }, deadline.Token);
            await stream.ResponseHeadersAsync.WaitAsync(deadline.Token);
            streams.Add(stream);
        }

        await new Publisher.PublisherClient(channel).PublishAsync(
            new PublishRequest { Topic = BrokerClient.Topic, Messages = { new PubsubMessage { Data = ByteString.CopyFromUtf8("to all") } } },
            cancellationToken: deadline.Token);
        foreach (var stream in streams)
        {
            (await stream.ResponseStream.MoveNext(deadline.Token)).ShouldBeTrue();
            stream.Dispose();
        }
    }

    [Fact]
    public async Task A_connection_that_does_not_answer_pings_is_closed()
    {
        await using var broker = await BrokerClient.StartAsync(
            _folder.Path, o => o with { KeepAlivePingDelay = TimeSpan.FromSeconds(1), KeepAlivePingTimeout = TimeSpan.FromSeconds(1) });
        using var tcp = new TcpClient();
        await tcp.ConnectAsync("127.0.0.1", broker.Broker.Port);
        var stream = tcp.GetStream();

        // The connection preface and an empty SETTINGS frame (RFC 9113, 3.4); then the client falls silent.
        await stream.WriteAsync("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray());
        await stream.WriteAsync(new byte[] { 0, 0, 0, 4, 0, 0, 0, 0, 0 });
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        var buffer = new byte[4096];
        while (await ReadAsync() > 0)
        {
        }

        async Task<int> ReadAsync()
        {
            try
            {
                return await stream.ReadAsync(buffer, deadline.Token);
            }
            catch (IOException)
            {
                return 0;
            }
        }
    }

    [Fact]
    public async Task Connections_beyond_the_limit_are_closed_and_those_within_it_go_on()
    {
        await using var broker = await BrokerClient.StartReadyAsync(_folder.Path, o => o with { MaxConnections = 1 });
        using var channel = GrpcChannel.ForAddress($"http://{broker.Broker.Endpoint}");

        // gRPC compares a deadline with the system's clock.
        var refused = await Should.ThrowAsync<RpcException>(async () =>
            await new Publisher.PublisherClient(channel).ListTopicsAsync(new ListTopicsRequest { Project = "projects/p" }, deadline: DateTime.UtcNow.AddSeconds(20)));

        // The client says Internal when it notices the closed connection while it sends the request.
        refused.StatusCode.ShouldBeOneOf(StatusCode.Unavailable, StatusCode.Internal);
        await broker.PublishAsync("goes on");
    }
}
