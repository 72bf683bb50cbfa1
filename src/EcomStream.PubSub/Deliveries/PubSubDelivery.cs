using System.Diagnostics;
using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>One message received. It costs no lock, task or timer: settling pushes it on a stack of the settler's.</summary>
internal sealed class PubSubDelivery : Delivery
{
    private const int Open = 0;
    private const int Acked = 1;
    private const int Nacked = 2;

    // Until it is known what became of the settlement.
    private const int NoResult = -1;

    private readonly IDeliverySettler _settler;
    private readonly byte[] _data;
    private object? _attributes;
    private TaskCompletionSource<AckResult>? _answer;
    private int _result = NoResult;
    private int _state;

    /// <summary>Makes a delivery.</summary>
    /// <param name="settler">Whom to settle it with.</param>
    /// <param name="ackId">What the broker calls this delivery.</param>
    /// <param name="messageId">The message's id.</param>
    /// <param name="data">Its data.</param>
    /// <param name="publishTimeMicros">Its publish time.</param>
    /// <param name="attributes">Its attributes in their wire form; null for none.</param>
    public PubSubDelivery(IDeliverySettler settler, string ackId, string messageId, byte[] data, long publishTimeMicros, byte[]? attributes)
    {
        _settler = settler;
        _data = data;
        _attributes = attributes;
        AckId = ackId;
        MessageId = messageId;
        PublishTimeMicros = publishTimeMicros;
        Bytes = data.Length + (attributes?.Length ?? 0);
    }

    public override ReadOnlyMemory<byte> Data => _data;

    // Two readers at once both parse, to the same effect.
    public override IReadOnlyDictionary<string, string> Attributes
    {
        get
        {
            switch (_attributes)
            {
                case null:
                    return NoAttributes;
                case IReadOnlyDictionary<string, string> parsed:
                    return parsed;
                default:
                    var attributes = Parse((byte[])_attributes);
                    _attributes = attributes;
                    return attributes;
            }
        }
    }

    public override string MessageId { get; }

    public override long PublishTimeMicros { get; }

    public override string Subscription => _settler.Subscription;

    /// <summary>What the broker calls this delivery.</summary>
    public string AckId { get; }

    /// <summary>What it counts in flow control: data and attributes.</summary>
    public int Bytes { get; }

    /// <summary>The response that it came in; set before it is handed out.</summary>
    public LeasedBatch? Batch { get; set; }

    /// <summary>Its place there.</summary>
    public int Index { get; set; }

    /// <summary>How flow control counts it; guarded by <see cref="FlowControl"/>.</summary>
    public FlowState Flow { get; set; }

    /// <summary>Whether the broker has given its lease to someone else; set by <see cref="LeaseKeeper"/>.</summary>
    public bool IsLost { get; set; }

    /// <summary>The delivery below it on the settler's stack.</summary>
    public PubSubDelivery? Below { get; set; }

    /// <summary>How many deliveries there are on the stack from it down.</summary>
    public int Depth { get; set; }

    /// <summary>Its span, where someone listens; ended when it is settled.</summary>
    public Activity? Span { get; set; }

    public override Activity? Trace => Span;

    /// <summary>Whether its ack or nack has been asked for.</summary>
    public bool IsSettled => Volatile.Read(ref _state) != Open;

    public bool IsAcked => Volatile.Read(ref _state) == Acked;

    public override void Ack() => Settle(Acked);

    public override void Nack() => Settle(Nacked);

    public override Task<AckResult> AckAsync()
    {
        var answer = Volatile.Read(ref _answer)
            ?? Interlocked.CompareExchange(ref _answer, new TaskCompletionSource<AckResult>(TaskCreationOptions.RunContinuationsAsynchronously), null)
            ?? _answer;
        Settle(Acked);

        // The answer to an earlier Ack may have come before there was anyone to tell.
        if (Volatile.Read(ref _result) is var result && result != NoResult)
        {
            answer.TrySetResult((AckResult)result);
        }

        return answer.Task;
    }

    /// <summary>Sets the result of settled deliveries. The first result of a delivery is kept. Not for concurrent calls.</summary>
    public static void Complete(IReadOnlyList<PubSubDelivery> deliveries, AckResult result)
    {
        for (var i = 0; i < deliveries.Count; i++)
        {
            var delivery = deliveries[i];
            if (delivery._result == NoResult)
            {
                Volatile.Write(ref delivery._result, (int)result);
            }
        }

        // Orders the writes above before the reads below, once for the whole list. A concurrent AckAsync sees the result, or the
        // loop below sees its answer.
        Interlocked.MemoryBarrier();
        for (var i = 0; i < deliveries.Count; i++)
        {
            var delivery = deliveries[i];
            Volatile.Read(ref delivery._answer)?.TrySetResult((AckResult)delivery._result);
        }
    }

    private void Settle(int state)
    {
        if (Interlocked.CompareExchange(ref _state, state, Open) == Open)
        {
            if (Span is { } span)
            {
                span.SetTag("messaging.gcp_pubsub.message.outcome", state == Acked ? "ack" : "nack");
                span.Dispose();
            }

            _settler.Push(this);
        }
    }

    private IReadOnlyDictionary<string, string> Parse(byte[] attributes)
    {
        try
        {
            return PullResponseReader.Attributes(attributes);
        }
        catch (InvalidDataException broken)
        {
            throw new InvalidDataException($"The attributes of message {MessageId} of {Subscription} cannot be read: {broken.Message}", broken);
        }
    }
}
