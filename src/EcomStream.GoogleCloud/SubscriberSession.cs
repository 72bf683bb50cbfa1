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
    // The client nacks everything this long before it ends by itself.
    private static readonly TimeSpan _nacksBeforeEnd = TimeSpan.FromSeconds(30);

    private readonly SubscriptionCalls _calls;
    private readonly OutstandingLedger _ledger;
    private readonly StreamObserver _observer;
    private readonly ChannelWriter<Delivery> _output;
    private readonly Action<RefusedAcks> _refused;
    private readonly SubscriberClientImpl _client;
    private readonly CancellationTokenSource _abandon = new();
    private volatile bool _isStopped;
    private int _isDisposed;

    public SubscriberSession(SubscriptionCalls calls, OutstandingLedger ledger, StreamObserver observer, ChannelWriter<Delivery> output, Action<RefusedAcks> refused)
    {
        (_calls, _ledger, _observer, _output, _refused) = (calls, ledger, observer, output, refused);
        observer.Owner = this;
        var subscriber = calls.Settings.Subscriber;
        observer.GivenBack.Started(subscriber.Streams);
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

        var options = new SubscriberClient.ShutdownOptions
        {
            Mode = SubscriberClient.ShutdownMode.WaitForProcessing,
            Timeout = _calls.Settings.Subscriber.MaxExtension + _nacksBeforeEnd,
        };
        _ = _client.StopAsync(options, _abandon.Token);
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

    public override void HandleAckResponses(IReadOnlyList<AckNackResponse> responses)
    {
        var refused = Settled(responses, PubSubMetrics.Acked, AckResult.Accepted, AckResult.Refused);
        if (refused.Count > 0)
        {
            _refused(new RefusedAcks(_calls.Name, refused, "The broker has refused them."));
        }
    }

    public override void HandleNackResponses(IReadOnlyList<AckNackResponse> responses) =>
        Settled(responses, PubSubMetrics.Nacked, AckResult.Unknown, AckResult.Unknown);

    // Returns the refused. The property MessageId holds the ack id.
    private List<Delivery> Settled(
        IReadOnlyList<AckNackResponse> responses, System.Diagnostics.Metrics.Counter<long> counter, AckResult success, AckResult failure)
    {
        var (succeeded, refused) = (0, new List<Delivery>());
        foreach (var response in responses)
        {
            var isSuccess = response.Status == AcknowledgementStatus.Success;
            succeeded += isSuccess ? 1 : 0;
            if (_ledger.Settled(response.MessageId)?.Delivery is GoogleCloudDelivery delivery)
            {
                delivery.Complete(isSuccess ? success : failure);
                if (!isSuccess)
                {
                    refused.Add(delivery);
                }
            }
        }

        if (succeeded > 0)
        {
            counter.Add(succeeded, _calls.Tags);
        }

        if (responses.Count > succeeded)
        {
            PubSubMetrics.Refused.Add(responses.Count - succeeded, _calls.Tags);
        }

        return refused;
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
            if (_ledger.RemoveAllOf(this) > 0)
            {
                _observer.GivenBack.Lost();
            }
        }
    }
}
