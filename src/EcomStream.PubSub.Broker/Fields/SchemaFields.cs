using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.Schemas;
using EcomStream.PubSub.Broker.Storage;
using EcomStream.PubSub.Broker.Topics;
using Google.Cloud.PubSub.V1;
using Google.Cloud.PubSub.V1.Schemas;
using Google.Protobuf.WellKnownTypes;

namespace EcomStream.PubSub.Broker.Fields;

/// <summary>google.pubsub.v1.Schema and SchemaSettings to what the broker keeps of them, and back.</summary>
internal static class SchemaFields
{
    // "The schema definition field size must not exceed 300 KB": https://cloud.google.com/pubsub/docs/schemas.
    private const int MaxDefinitionBytes = 300_000;

    /// <summary>The parsed definition of a schema in a request.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: it is missing or not valid.</exception>
    public static SchemaDefinition Definition(Schema? schema)
    {
        if (schema is null)
        {
            throw ServiceCalls.Invalid("The request has no schema.");
        }

        if (FieldRules.IsLonger(schema.Definition, MaxDefinitionBytes))
        {
            throw ServiceCalls.Invalid($"The definition of the schema has more than {MaxDefinitionBytes} bytes.");
        }

        try
        {
            return SchemaDefinition.Parse(schema.Type, schema.Definition);
        }
        catch (FormatException wrong)
        {
            throw ServiceCalls.Invalid($"The definition of the schema is not valid: {wrong.Message}.");
        }
    }

    /// <param name="schema">The schema.</param>
    /// <param name="revision">The revision that is meant.</param>
    /// <param name="withDefinition">Whether the text is returned.</param>
    public static Schema ToProto(BrokerSchema schema, BrokerMetadata.SchemaRevision revision, bool withDefinition) => new()
    {
        Name = schema.Entry.Name,
        Type = schema.Entry.Type,
        Definition = withDefinition ? revision.Definition : "",
        RevisionId = revision.Id,
        RevisionCreateTime = revision.Created.ToTimestamp(),
    };

    /// <summary>The schema settings of a topic; null for none.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT, with the field's name.</exception>
    public static TopicSchema? Settings(SchemaSettings? settings)
    {
        if (settings is null || settings.CalculateSize() == 0)
        {
            return null;
        }

        if (settings.Schema != ResourceNames.DeletedSchema && ResourceNames.BrokenRule("schema", settings.Schema) is { } rule)
        {
            throw ServiceCalls.Invalid($"schema_settings.schema is '{settings.Schema}': {rule}.");
        }

        CheckEncoding("schema_settings.encoding", settings.Encoding);
        return new TopicSchema(settings.Schema, settings.Encoding, settings.FirstRevisionId, settings.LastRevisionId);
    }

    public static SchemaSettings? ToProto(TopicSchema? settings) => settings is null ? null : new SchemaSettings
    {
        Schema = settings.Name,
        Encoding = settings.Encoding,
        FirstRevisionId = settings.FirstRevision,
        LastRevisionId = settings.LastRevision,
    };

    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: it is neither JSON nor BINARY.</exception>
    public static void CheckEncoding(string field, Encoding encoding)
    {
        if (encoding is not (Encoding.Json or Encoding.Binary))
        {
            throw ServiceCalls.Invalid($"{field} is {(int)encoding}; it must be JSON or BINARY.");
        }
    }
}
