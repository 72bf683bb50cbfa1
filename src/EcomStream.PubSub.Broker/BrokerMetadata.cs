using System.Text.Json;

namespace EcomStream.PubSub.Broker;

/// <summary>Which topics and subscriptions there are, as kept in broker.json and replaced as a whole.</summary>
internal sealed record BrokerMetadata
{
    private static readonly JsonSerializerOptions Json = new() { WriteIndented = true };

    public int NextId { get; init; } = 1;

    public IReadOnlyList<TopicEntry> Topics { get; init; } = [];

    public IReadOnlyList<SubscriptionEntry> Subscriptions { get; init; } = [];

    public static BrokerMetadata Load(string path)
    {
        if (!File.Exists(path))
        {
            return new BrokerMetadata();
        }

        try
        {
            return JsonSerializer.Deserialize<BrokerMetadata>(File.ReadAllBytes(path), Json)
                ?? throw new JsonException("The file holds null.");
        }
        catch (JsonException damaged)
        {
            throw new BrokerStartException(
                $"{path} is damaged ({damaged.Message}). Restore a copy of the broker's folder, or move the folder away to begin anew.", damaged);
        }
    }

    public void Save(string path)
    {
        var temporary = path + ".new";
        using (var file = File.Create(temporary))
        {
            JsonSerializer.Serialize(file, this, Json);
            file.Flush(flushToDisk: true);
        }

        File.Move(temporary, path, overwrite: true);
    }

    /// <param name="Id">The name of its folder.</param>
    /// <param name="Name">The topic's full name.</param>
    /// <param name="Deleted">Deleted, and kept for its subscriptions.</param>
    internal sealed record TopicEntry(int Id, string Name, bool Deleted);

    /// <param name="Id">The name of its file of acks.</param>
    /// <param name="Name">The subscription's full name.</param>
    /// <param name="TopicId">Its topic.</param>
    /// <param name="AckDeadlineSeconds">Its ack deadline, seconds.</param>
    internal sealed record SubscriptionEntry(int Id, string Name, int TopicId, int AckDeadlineSeconds);
}
