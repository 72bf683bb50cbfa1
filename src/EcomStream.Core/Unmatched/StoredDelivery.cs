namespace EcomStream.Core;

/// <summary>
/// A message that was acked long ago and is read back from the store: what it says is known, and there is nothing
/// left to settle.
/// </summary>
public sealed class StoredDelivery(
    ReadOnlyMemory<byte> data,
    string messageId,
    long publishTimeMicros,
    string subscription,
    IReadOnlyDictionary<string, string>? attributes = null)
    : Delivery
{
    /// <inheritdoc/>
    public override ReadOnlyMemory<byte> Data => data;

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, string> Attributes => attributes ?? NoAttributes;

    /// <inheritdoc/>
    public override string MessageId => messageId;

    /// <inheritdoc/>
    public override long PublishTimeMicros => publishTimeMicros;

    /// <inheritdoc/>
    public override string Subscription => subscription;

    /// <inheritdoc/>
    public override void Ack()
    {
    }

    /// <inheritdoc/>
    public override void Nack()
    {
    }
}
