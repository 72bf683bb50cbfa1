using System.Globalization;
using Akka.Cluster.Sharding;

namespace EcomStream.Cluster;

/// <summary>Which entity a message is for. Each shard of EcomStream is one entity, alone in one shard of Akka.Cluster.Sharding.</summary>
internal sealed class ShardExtractor : IMessageExtractor
{
    /// <summary>The entity id of a shard.</summary>
    public static string IdOf(int shard) => shard.ToString(CultureInfo.InvariantCulture);

    /// <inheritdoc/>
    public string? EntityId(object message) => message is ShardDelivery delivery ? IdOf(delivery.Shard) : null;

    /// <inheritdoc/>
    public object EntityMessage(object message) => message;

    /// <inheritdoc/>
    public string? ShardId(object message) => EntityId(message);

    /// <inheritdoc/>
    public string ShardId(string entityId, object? messageHint = null) => entityId;
}
