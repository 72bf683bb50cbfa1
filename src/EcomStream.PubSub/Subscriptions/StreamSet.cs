using System.Threading.Channels;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub;

/// <summary>The streams of one subscription, which are opened again when they end; one that fails for good ends the others.</summary>
/// <param name="calls">The calls of the subscription.</param>
/// <param name="flow">What is outstanding over all streams.</param>
/// <param name="leases">What they bring.</param>
/// <param name="settler">Acks and nacks.</param>
/// <param name="clientId">The client id of all streams.</param>
internal sealed class StreamSet(SubscriptionCalls calls, FlowControl flow, LeaseKeeper leases, Settler settler, string clientId)
{
    // The server answers keep-alives from this version on.
    private const int KeepAliveProtocol = 1;

    private volatile PullStream[] _streams = [];
    private volatile bool _endedCleanly = true;

    /// <summary>Whether all are open.</summary>
    public bool AreOpen => _streams is { Length: > 0 } streams && Array.TrueForAll(streams, stream => stream.IsOpen);

    /// <summary>How often one was opened.</summary>
    public long Openings => _streams.Sum(stream => stream.Openings);

    /// <summary>How often one was opened again.</summary>
    public long Reopened => _streams.Sum(stream => Math.Max(0, stream.Openings - 1));

    /// <summary>Whether nothing is leased for a stream that the client has not seen. Also true before one is opened.</summary>
    public bool EndedCleanly => _endedCleanly;

    /// <summary>Receives until it is told to end, or a stream fails for good.</summary>
    /// <param name="output">Takes what the streams bring.</param>
    /// <param name="ending">Ends all streams.</param>
    public async Task RunAsync(ChannelWriter<PubSubDelivery[]> output, CancellationTokenSource ending)
    {
        _endedCleanly = false;
        var count = calls.Settings.Subscriber.Streams;
        _streams = [.. Enumerable.Range(0, count).Select(n => new PullStream(calls, flow, leases, settler, InitialRequest(n, count), output))];
        var token = ending.Token;
        try
        {
            await Task.WhenAll(_streams.Select(async stream =>
            {
                try
                {
                    await stream.RunAsync(token);
                }
                catch
                {
                    await ending.CancelAsync();
                    throw;
                }
            }));
        }
        finally
        {
            output.TryComplete();
        }
    }

    /// <summary>What the streams have brought is handed out or given back.</summary>
    public void Finish()
    {
        _endedCleanly = Array.TrueForAll(_streams, stream => stream.EndedCleanly);
        _streams = [];
    }

    /// <summary>
    /// The bound is per subscription, and the server counts per stream: each stream gets its share of it.
    /// </summary>
    private StreamingPullRequest InitialRequest(int stream, int streams)
    {
        var settings = calls.Settings.Subscriber;
        return new StreamingPullRequest
        {
            Subscription = calls.Path,
            StreamAckDeadlineSeconds = (int)settings.AckDeadline.TotalSeconds,
            ClientId = clientId,
            ProtocolVersion = KeepAliveProtocol,
            MaxOutstandingMessages = StreamBounds.Share(settings.MaxOutstandingMessages, stream, streams),
            MaxOutstandingBytes = StreamBounds.Share(settings.MaxOutstandingBytes, stream, streams),
        };
    }
}
