namespace EcomStream.Core;

/// <summary>A message to publish.</summary>
/// <param name="Data">The payload. It is not copied: it must not change before the message is published.</param>
/// <param name="Attributes">Its attributes.</param>
/// <param name="OrderingKey">Its ordering key; empty for none.</param>
public sealed record OutgoingMessage(ReadOnlyMemory<byte> Data, IReadOnlyDictionary<string, string> Attributes, string OrderingKey = "");
