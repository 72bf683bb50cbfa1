namespace EcomStream.PubSub.Broker;

/// <summary>A damaged place in the log of a topic, or in the acks of a subscription or snapshot.</summary>
/// <param name="File">The file; for a missing file, the one that should be there.</param>
/// <param name="Position">Where the damage begins, bytes from the start of the file.</param>
/// <param name="Length">Length of the damage, bytes; 0 for a missing or empty file.</param>
/// <param name="FirstOffset">The offset of the first message that cannot be read; 0 for acks.</param>
/// <param name="LostMessages">How many messages cannot be read; 0 for acks.</param>
public sealed record LogDamage(string File, long Position, long Length, long FirstOffset, long LostMessages)
{
    /// <summary>Whether it is in a file of acks: no message is lost, and those that were acked there are delivered again.</summary>
    public bool IsOfAcks { get; init; }
}
