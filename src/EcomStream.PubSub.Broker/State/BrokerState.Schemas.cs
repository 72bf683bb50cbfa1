using System.Collections.Concurrent;
using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.Storage;
using EcomStream.PubSub.Broker.Topics;
using Google.Cloud.PubSub.V1.Schemas;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.State;

/// <summary>Schemas and their revisions: https://cloud.google.com/pubsub/docs/schemas.</summary>
internal sealed partial class BrokerState
{
    // "A schema can have a maximum of 20 revisions at a time": https://cloud.google.com/pubsub/docs/commit-schema-revision.
    private const int MaxRevisions = 20;

    private readonly ConcurrentDictionary<string, BrokerSchema> _schemas = [];

    public IEnumerable<BrokerSchema> Schemas => _schemas.Select(pair => pair.Value);

    public BrokerSchema Schema(string name) => _schemas.TryGetValue(name, out var schema) ? schema : throw NotFound("schema", name);

    public BrokerSchema CreateSchema(string name, Schema.Types.Type type, string definition)
    {
        lock (_lock)
        {
            if (_schemas.ContainsKey(name))
            {
                throw AlreadyExists("schema", name);
            }

            var entry = new BrokerMetadata.SchemaEntry(_metadata.NextId, name, type) { Revisions = [NewRevision(definition)] };
            _metadata.Append(new MetadataChange { NextId = entry.Id + 1, Schema = entry });
            return _schemas[name] = new BrokerSchema(entry);
        }
    }

    /// <summary>Adds a revision.</summary>
    /// <param name="name">The schema.</param>
    /// <param name="definition">The definition by the schema as it is.</param>
    public BrokerSchema AddRevision(string name, Func<BrokerSchema, string> definition)
    {
        lock (_lock)
        {
            var schema = Schema(name);
            var text = definition(schema);
            return schema.Entry.Revisions.Count < MaxRevisions
                ? Replace(schema, [.. schema.Entry.Revisions, NewRevision(text)])
                : throw new RpcException(new Status(
                    StatusCode.FailedPrecondition, $"The schema {name} has {MaxRevisions} revisions, which is the most: delete one first."));
        }
    }

    /// <summary>Deletes a revision that is not the only one.</summary>
    /// <returns>The revision.</returns>
    public BrokerMetadata.SchemaRevision DeleteRevision(string name, string revisionId)
    {
        lock (_lock)
        {
            var schema = Schema(name);
            var revision = schema.Revision(revisionId) ?? throw NotFound("schema revision", $"{name}@{revisionId}");
            if (schema.Entry.Revisions.Count == 1)
            {
                throw ServiceCalls.Invalid($"{revisionId} is the last revision of {name}: delete the schema.");
            }

            Replace(schema, [.. schema.Entry.Revisions.Where(other => other != revision)]);
            return revision;
        }
    }

    /// <summary>Deletes a schema; its topics keep <see cref="ResourceNames.DeletedSchema"/> and take no more messages.</summary>
    public void DeleteSchema(string name)
    {
        lock (_lock)
        {
            var schema = Schema(name);
            foreach (var topic in Topics.Where(topic => topic.Settings.Schema?.Name == name))
            {
                UpdateTopic(topic.Name, settings => settings with { Schema = settings.Schema! with { Name = ResourceNames.DeletedSchema } });
            }

            _metadata.Append(new MetadataChange { RemovedSchema = schema.Entry.Id });
            _schemas.TryRemove(name, out _);
        }
    }

    public BrokerSchema UpdateSchema(string name, Func<BrokerMetadata.SchemaEntry, BrokerMetadata.SchemaEntry> change)
    {
        lock (_lock)
        {
            var entry = change(Schema(name).Entry);
            _metadata.Append(new MetadataChange { Schema = entry });
            return _schemas[name] = new BrokerSchema(entry);
        }
    }

    private BrokerSchema Replace(BrokerSchema schema, IReadOnlyList<BrokerMetadata.SchemaRevision> revisions) =>
        UpdateSchema(schema.Entry.Name, entry => entry with { Revisions = revisions });

    private BrokerMetadata.SchemaRevision NewRevision(string definition) =>
        new(Guid.NewGuid().ToString("N")[..8], definition, Time.GetUtcNow());

    // "Resource not found" for what a topic is to use.
    private void CheckSchema(TopicSchema? settings)
    {
        if (settings is null)
        {
            return;
        }

        var schema = Schema(settings.Name);
        foreach (var revision in (string[])[settings.FirstRevision, settings.LastRevision])
        {
            if (revision.Length > 0 && schema.Revision(revision) is null)
            {
                throw NotFound("schema revision", $"{settings.Name}@{revision}");
            }
        }
    }
}
