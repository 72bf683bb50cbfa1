extern alias official;

using System.Diagnostics;
using EcomStream.Core;
using EcomStream.PubSub;
using official::Google.Cloud.PubSub.V1;

namespace EcomStream.GoogleCloud;

/// <summary>A message whose callback waits until it is settled.</summary>
internal sealed class GoogleCloudDelivery : Delivery
{
    // The client adds it to the attributes of the message.
    private const string DeliveryAttempt = "googclient_deliveryattempt";

    private readonly TaskCompletionSource<SubscriberClient.Reply> _reply = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly TaskCompletionSource<AckResult> _answer = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly PubsubMessage _message;
    private readonly OutstandingEntry _entry;
    private readonly OutstandingLedger _ledger;
    private IReadOnlyDictionary<string, string>? _attributes;
    private int _isSettled;

    public GoogleCloudDelivery(string subscription, PubsubMessage message, OutstandingEntry entry, OutstandingLedger ledger)
    {
        (Subscription, _message, _entry, _ledger) = (subscription, message, entry, ledger);
        OrderingKey = message.OrderingKey;
        entry.Delivery = this;
        entry.GiveBack = Nack;
    }

    public override ReadOnlyMemory<byte> Data => _message.Data.Memory;

    public override IReadOnlyDictionary<string, string> Attributes => _attributes ??=
        _message.Attributes.Count == 0
            ? NoAttributes
            : _message.Attributes.Where(attribute => attribute.Key != DeliveryAttempt).ToDictionary();

    public override string MessageId => _entry.MessageId;

    public override long PublishTimeMicros => _entry.PublishTimeMicros;

    public override string Subscription { get; }

    public override Activity? Trace => Span;

    /// <summary>Its span, where someone listens; ended when it is settled.</summary>
    public Activity? Span { get; set; }

    /// <summary>What the broker calls this delivery.</summary>
    public string AckId => _entry.AckId;

    /// <summary>What the callback returns to the client.</summary>
    public Task<SubscriberClient.Reply> Reply => _reply.Task;

    public override void Ack() => Settle(SubscriberClient.Reply.Ack);

    public override void Nack() => Settle(SubscriberClient.Reply.Nack);

    public override Task<AckResult> AckAsync()
    {
        Ack();
        return _answer.Task;
    }

    /// <summary>It is known what became of its settlement.</summary>
    public void Complete(AckResult result) => _answer.TrySetResult(result);

    private void Settle(SubscriberClient.Reply reply)
    {
        if (Interlocked.Exchange(ref _isSettled, 1) == 1)
        {
            return;
        }

        if (Span is { } span)
        {
            span.SetTag("messaging.gcp_pubsub.message.outcome", reply == SubscriberClient.Reply.Ack ? "ack" : "nack");
            span.Dispose();
        }

        _ledger.Asked(_entry);
        _reply.SetResult(reply);
    }
}
