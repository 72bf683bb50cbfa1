using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Cluster;

/// <summary>What the messages of a <see cref="ShardDelivery"/> are.</summary>
internal enum MessageKind : byte
{
    /// <summary>Orders.</summary>
    Order = 0,

    /// <summary>Payments.</summary>
    Payment = 1,

    /// <summary>Payments that were read from the dead letters.</summary>
    DeadLetter = 2,
}

/// <summary>
/// Messages for one shard, from the <see cref="ShardProxy"/> of a node to the <see cref="OrderShard"/>, wherever that runs.
/// Within one process it carries the decoded messages; between processes the messages as they were received.
/// </summary>
internal sealed class ShardDelivery : INodeMessage
{
    /// <summary>The shard.</summary>
    public required int Shard { get; init; }

    /// <summary>The number of the batch, counted by the proxy from 1.</summary>
    public required long Batch { get; init; }

    /// <summary>What the messages are.</summary>
    public required MessageKind Kind { get; init; }

    /// <summary>The messages, decoded; null when they came from another process.</summary>
    public IReadOnlyList<OrderMessage>? Decoded { get; init; }

    /// <summary>The messages as another process received them; null within one process.</summary>
    public IReadOnlyList<RawMessage>? Raw { get; init; }

    /// <summary>The subscription that they came from.</summary>
    public required string Subscription { get; init; }
}

/// <summary>A message as it was received.</summary>
/// <param name="Data">Its data.</param>
/// <param name="Attributes">Its attributes.</param>
/// <param name="MessageId">Its id.</param>
/// <param name="PublishTimeMicros">Its publish time, microseconds since the Unix epoch.</param>
/// <param name="OrderingKey">Its ordering key; empty for none.</param>
internal readonly record struct RawMessage(
    ReadOnlyMemory<byte> Data, IReadOnlyDictionary<string, string> Attributes, string MessageId, long PublishTimeMicros, string OrderingKey);

/// <summary>A batch has reached the shard, which settles its messages: from the shard to the proxy.</summary>
/// <param name="Batch">The batch.</param>
internal sealed record BatchAccepted(long Batch) : INodeMessage;

/// <summary>The shard is being handed over and does not accept the batch: from the shard to the proxy.</summary>
/// <param name="Batch">The batch.</param>
internal sealed record BatchRefused(long Batch) : INodeMessage;

/// <summary>Messages that a shard has settled: from the shard to the proxy.</summary>
/// <param name="Acks">Ids of messages whose effect is durable; see <see cref="DeliveryId"/>.</param>
/// <param name="Nacks">Ids of messages to be delivered again.</param>
internal sealed record Settled(IReadOnlyList<long> Acks, IReadOnlyList<long> Nacks) : INodeMessage;

/// <summary>The id of a delivery between nodes: the number of its batch and its place in it.</summary>
internal static class DeliveryId
{
    /// <summary>Messages of a batch at most.</summary>
    public const int MaxBatch = 1 << 16;

    /// <summary>The id.</summary>
    public static long Of(long batch, int index) => (batch << 16) | (uint)index;

    /// <summary>The batch and the place in it.</summary>
    public static (long Batch, int Index) Parse(long id) => (id >> 16, (int)(id & (MaxBatch - 1)));
}

/// <summary>The shard is handed over: from Akka.Cluster.Sharding to the shard.</summary>
internal sealed class StopShard : INoSerializationVerificationNeeded
{
    public static readonly StopShard Instance = new();
}
