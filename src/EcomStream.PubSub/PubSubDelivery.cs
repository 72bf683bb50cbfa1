using EcomStream.Core;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub;

/// <summary>One message received. It costs no lock, task or timer: settling pushes it on a stack of the settler's.</summary>
internal sealed class PubSubDelivery : Delivery
{
    private const int Open = 0;
    private const int Acked = 1;
    private const int Nacked = 2;

    private readonly Settler _settler;
    private readonly ReadOnlyMemory<byte> _data;
    private readonly IReadOnlyDictionary<string, string> _attributes;
    private int _state;

    public PubSubDelivery(ReceivedMessage received, LeasedBatch batch, int index, Settler settler)
    {
        var message = received.Message ?? new PubsubMessage();
        _settler = settler;
        _data = message.Data.Memory;
        _attributes = message.Attributes.Count == 0 ? NoAttributes : message.Attributes;
        AckId = received.AckId;
        MessageId = message.MessageId;
        PublishTimeMicros = message.PublishTime is { } time ? (time.Seconds * 1_000_000) + (time.Nanos / 1_000) : 0;
        Batch = batch;
        Index = index;
        Bytes = _data.Length;
        foreach (var (key, value) in _attributes)
        {
            Bytes += key.Length + value.Length;
        }
    }

    public override ReadOnlyMemory<byte> Data => _data;

    public override IReadOnlyDictionary<string, string> Attributes => _attributes;

    public override string MessageId { get; }

    public override long PublishTimeMicros { get; }

    public override string Subscription => _settler.Subscription;

    /// <summary>What the broker calls this delivery.</summary>
    public string AckId { get; }

    /// <summary>The response that it came in.</summary>
    public LeasedBatch Batch { get; }

    /// <summary>Its place there.</summary>
    public int Index { get; }

    /// <summary>What it counts in flow control: data and attributes.</summary>
    public int Bytes { get; }

    /// <summary>The delivery below it on the settler's stack.</summary>
    public PubSubDelivery? Below { get; set; }

    /// <summary>How many deliveries there are on the stack from it down.</summary>
    public int Depth { get; set; }

    public bool IsAcked => Volatile.Read(ref _state) == Acked;

    public override void Ack() => Settle(Acked);

    public override void Nack() => Settle(Nacked);

    private void Settle(int state)
    {
        if (Interlocked.CompareExchange(ref _state, state, Open) == Open)
        {
            _settler.Push(this);
        }
    }
}
