namespace EcomStream.PubSub;

/// <summary>What one stream, from its opening to its end, may bring and has brought; guarded by <see cref="FlowControl"/>.</summary>
/// <param name="maxMessages">Messages received and not settled.</param>
/// <param name="maxBytes">Their bytes.</param>
internal sealed class StreamShare(long maxMessages, long maxBytes)
{
    public long MaxMessages { get; } = maxMessages;

    public long MaxBytes { get; } = maxBytes;

    public long Messages { get; set; }

    public long Bytes { get; set; }
}
