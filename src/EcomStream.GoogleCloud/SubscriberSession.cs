extern alias official;

using System.Threading.Channels;
using EcomStream.Core;
using EcomStream.PubSub;
using Google.Api.Gax;
using Google.Api.Gax.Grpc;
using Grpc.Core.Interceptors;
using official::Google.Cloud.PubSub.V1;

namespace EcomStream.GoogleCloud;

/// <summary>
/// One run of a SubscriberClient, which can be started only once. When the reading has stopped it goes on extending the
/// leases of what was received, until everything is settled.
/// </summary>
internal sealed class SubscriberSession : SubscriptionHandler, IAsyncDisposable
{
    private readonly SubscriptionCalls _calls;
    private readonly OutstandingLedger _ledger;
    private readonly StreamObserver _observer;
    private readonly ChannelWriter<Delivery> _output;
    private readonly SubscriberClientImpl _client;
    private readonly CancellationTokenSource _abandon = new();
    private volatile bool _isStopped;
    private int _isDisposed;

    public SubscriberSession(SubscriptionCalls calls, OutstandingLedger ledger, StreamObserver observer, ChannelWriter<Delivery> output)
    {
        (_calls, _ledger, _observer, _output) = (calls, ledger, observer, output);
        observer.Owner = this;
        var subscriber = calls.Settings.Subscriber;
        var invoker = calls.Channel.Intercept(observer);
        var settings = new SubscriberServiceApiSettings();

        // What the client's own builder adds: the service routes a stream by it.
        settings.StreamingPullSettings = settings.StreamingPullSettings.MergedWith(CallSettings.FromGoogleRequestParamsHeader("subscription", calls.Path));
        _client = new SubscriberClientImpl(
            SubscriptionName.Parse(calls.Path),
            [.. Enumerable.Range(0, subscriber.Streams).Select(_ => new SubscriberServiceApiClientBuilder { CallInvoker = invoker, Settings = settings }.Build())],
            new SubscriberClient.Settings
            {
                AckDeadline = subscriber.AckDeadline,
                MaxTotalAckExtension = subscriber.MaxExtension,
                FlowControlSettings = new FlowControlSettings(subscriber.MaxOutstandingMessages, subscriber.MaxOutstandingBytes),
            },
            shutdown: null);
        Completion = RunAsync();
    }

    /// <summary>Completes when the reading has stopped and everything is settled, or with what the client failed on.</summary>
    public Task Completion { get; }

    /// <summary>Stops the reading. What is received afterwards is given back; what was received before can be settled.</summary>
    public void Stop()
    {
        _isStopped = true;
        if (Completion.IsCompleted)
        {
            return;
        }

        _ = _client.StopAsync(new SubscriberClient.ShutdownOptions { Mode = SubscriberClient.ShutdownMode.WaitForProcessing }, _abandon.Token);
    }

    /// <summary>Ends everything at once, after <see cref="Stop"/>.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _isDisposed, 1) == 0)
        {
            await _abandon.CancelAsync();
            _abandon.Dispose();
        }

        await Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    public override Task<SubscriberClient.Reply> HandleMessage(PubsubMessage message, CancellationToken cancellationToken)
    {
        var delivery = new GoogleCloudDelivery(_calls.Name, message, _observer.EntryOf(message), _ledger);
        if (_isStopped)
        {
            delivery.Nack();
            return delivery.Reply;
        }

        if (MessageTracing.IsOn)
        {
            delivery.Span = MessageTracing.StartProcess(delivery);
        }

        if (!_output.TryWrite(delivery))
        {
            delivery.Nack();
        }

        return delivery.Reply;
    }

    public override void HandleAckResponses(IReadOnlyList<AckNackResponse> responses) => Settled(responses, PubSubMetrics.Acked);

    public override void HandleNackResponses(IReadOnlyList<AckNackResponse> responses) => Settled(responses, PubSubMetrics.Nacked);

    // The property MessageId holds the ack id.
    private void Settled(IReadOnlyList<AckNackResponse> responses, System.Diagnostics.Metrics.Counter<long> counter)
    {
        var succeeded = 0;
        foreach (var response in responses)
        {
            _ledger.Settled(response.MessageId);
            succeeded += response.Status == AcknowledgementStatus.Success ? 1 : 0;
        }

        if (succeeded > 0)
        {
            counter.Add(succeeded, _calls.Tags);
        }

        if (responses.Count > succeeded)
        {
            PubSubMetrics.Refused.Add(responses.Count - succeeded, _calls.Tags);
        }
    }

    private async Task RunAsync()
    {
        try
        {
            await _client.StartAsync(this);
        }
        catch (OperationCanceledException) when (_isStopped)
        {
            // Abandoned.
        }
        finally
        {
            _ledger.RemoveAllOf(this);
        }
    }
}
