using System.IO.Pipelines;
using System.Net;
using System.Threading.Channels;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Tests;

/// <summary>A stream whose first request cannot be written although the server keeps the call open.</summary>
public sealed class UnwrittenRequestTests
{
    [Fact]
    public async Task A_stream_whose_first_request_cannot_be_written_and_that_the_server_does_not_end_is_opened_again()
    {
        var log = new LogLines();
        using var loggers = LoggerFactory.Create(logging => logging.AddProvider(log));
        using var connection = PubSubConnection.Create(TestSettings.Of("127.0.0.1:1"), loggers);
        var handler = new BrokenRequestHandler();
        using var channel = GrpcChannel.ForAddress("http://127.0.0.1:1", new GrpcChannelOptions { HttpHandler = handler });
        var calls = SubscriptionCalls.Of(connection, "orders_data-sub", channel, loggers.CreateLogger("test"));
        var flow = new FlowControl(1_000, 1 << 20);
        var leases = new LeaseKeeper(calls, flow);
        var settler = new Settler(calls, leases, flow);
        var stream = new PullStream(calls, flow, leases, settler, new StreamingPullRequest { Subscription = calls.Path }, Channel.CreateUnbounded<PubSubDelivery[]>().Writer);
        using var stop = new CancellationTokenSource();

        var running = stream.RunAsync(stop.Token);
        await Eventually.True(() => handler.Calls >= 2, "the stream is opened again");
        await stop.CancelAsync();
        await running.WaitAsync(TimeSpan.FromSeconds(20));

        log.Lines.ShouldContain(line => line.Contains("the first request could not be written"), string.Join("; ", log.Lines));
        stream.Openings.ShouldBe(0);
    }

    /// <summary>Answers with a response that does not end, and fails to send the request.</summary>
    private sealed class BrokenRequestHandler : HttpMessageHandler
    {
        private int _calls;

        public int Calls => Volatile.Read(ref _calls);

        protected override Task<HttpResponseMessage> SendAsync(HttpRequestMessage request, CancellationToken cancellationToken)
        {
            Interlocked.Increment(ref _calls);
            _ = request.Content!.CopyToAsync(new BrokenStream(), cancellationToken).ContinueWith(sent => sent.Exception, TaskScheduler.Default);
            var response = new HttpResponseMessage(HttpStatusCode.OK)
            {
                Version = HttpVersion.Version20, RequestMessage = request, Content = new StreamContent(new Pipe().Reader.AsStream()),
            };
            response.Content.Headers.ContentType = new("application/grpc");
            return Task.FromResult(response);
        }
    }

    // As the connection of .NET reports a request whose rest the server does not want (RST_STREAM).
    private sealed class BrokenStream : MemoryStream
    {
        public override ValueTask WriteAsync(ReadOnlyMemory<byte> buffer, CancellationToken cancellationToken = default) =>
            ValueTask.FromException(new OperationCanceledException("The request is not read."));
    }
}
