using EcomStream.Core;

namespace EcomStream.Testing;

/// <summary>One delivery of an <see cref="InMemorySubscription"/>.</summary>
public sealed class InMemoryDelivery : Delivery
{
    private readonly InMemorySubscription _source;
    private int _settled;
    private AckResult _result;

    internal InMemoryDelivery(
        InMemorySubscription source, byte[] data, string messageId, long publishTimeMicros, IReadOnlyDictionary<string, string>? attributes = null)
    {
        _source = source;
        Data = data;
        MessageId = messageId;
        PublishTimeMicros = publishTimeMicros;
        Attributes = attributes ?? NoAttributes;
    }

    /// <summary>Whether it was acked.</summary>
    public bool IsAcked { get; private set; }

    /// <inheritdoc/>
    public override ReadOnlyMemory<byte> Data { get; }

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, string> Attributes { get; }

    /// <inheritdoc/>
    public override string MessageId { get; }

    /// <inheritdoc/>
    public override long PublishTimeMicros { get; }

    /// <inheritdoc/>
    public override string Subscription => _source.Name;

    /// <inheritdoc/>
    public override void Ack() => AckAsync();

    /// <inheritdoc/>
    public override Task<AckResult> AckAsync()
    {
        if (Interlocked.Exchange(ref _settled, 1) == 0)
        {
            IsAcked = true;
            _result = _source.Settled(this, acked: true);
        }

        return Task.FromResult(_result);
    }

    /// <inheritdoc/>
    public override void Nack()
    {
        if (Interlocked.Exchange(ref _settled, 1) == 0)
        {
            _source.Settled(this, acked: false);
        }
    }

    internal InMemoryDelivery Copy() => new(_source, Data.ToArray(), MessageId, PublishTimeMicros, Attributes);
}
