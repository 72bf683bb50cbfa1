using System.Collections.Concurrent;
using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.Schemas;
using EcomStream.PubSub.Broker.Storage;

namespace EcomStream.PubSub.Broker.Topics;

/// <summary>A schema with its revisions. Thread-safe; a change makes another one.</summary>
internal sealed class BrokerSchema(BrokerMetadata.SchemaEntry entry)
{
    private readonly ConcurrentDictionary<string, SchemaDefinition> _parsed = new();

    public BrokerMetadata.SchemaEntry Entry { get; } = entry;

    public BrokerMetadata.SchemaRevision Latest => Entry.Revisions[^1];

    /// <summary>The revision with an id; null when there is none.</summary>
    public BrokerMetadata.SchemaRevision? Revision(string id) => Entry.Revisions.FirstOrDefault(revision => revision.Id == id);

    public SchemaDefinition Parsed(BrokerMetadata.SchemaRevision revision) =>
        _parsed.GetOrAdd(revision.Id, _ => SchemaDefinition.Parse(Entry.Type, revision.Definition));

    /// <summary>The newest of the revisions that count to which the data of a message conforms.</summary>
    /// <param name="data">The data.</param>
    /// <param name="settings">The encoding, and which revisions count.</param>
    /// <exception cref="FormatException">It conforms to none; the message says what is wrong by the newest one.</exception>
    public BrokerMetadata.SchemaRevision Match(ReadOnlyMemory<byte> data, TopicSchema settings)
    {
        FormatException? first = null;
        for (var i = IndexOf(settings.LastRevision, Entry.Revisions.Count - 1); i >= IndexOf(settings.FirstRevision, 0); i--)
        {
            try
            {
                Parsed(Entry.Revisions[i]).Check(data, settings.Encoding);
                return Entry.Revisions[i];
            }
            catch (FormatException wrong)
            {
                first ??= wrong;
            }
        }

        throw first ?? new FormatException("the topic allows no revision of the schema that exists");
    }

    // A revision that was deleted no longer bounds the range.
    private int IndexOf(string revision, int whenEmpty)
    {
        if (revision.Length == 0)
        {
            return whenEmpty;
        }

        for (var i = 0; i < Entry.Revisions.Count; i++)
        {
            if (Entry.Revisions[i].Id == revision)
            {
                return i;
            }
        }

        return whenEmpty;
    }
}
