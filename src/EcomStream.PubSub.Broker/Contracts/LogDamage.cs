namespace EcomStream.PubSub.Broker;

/// <summary>A damaged place in the log of a topic.</summary>
/// <param name="File">The file; for a missing file, the one that should be there.</param>
/// <param name="Position">Where the damage begins, bytes from the start of the file.</param>
/// <param name="Length">Its bytes up to the next message that can be read; 0 for a missing file.</param>
/// <param name="FirstOffset">The offset of the first message that cannot be read.</param>
/// <param name="LostMessages">How many messages cannot be read.</param>
public sealed record LogDamage(string File, long Position, long Length, long FirstOffset, long LostMessages);
