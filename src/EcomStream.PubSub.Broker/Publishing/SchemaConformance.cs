using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.State;
using Google.Cloud.PubSub.V1;
using Google.Cloud.PubSub.V1.Schemas;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Publishing;

/// <summary>Messages that are published to a topic with a schema: https://cloud.google.com/pubsub/docs/schemas.</summary>
internal static class SchemaConformance
{
    private const string NameAttribute = "googclient_schemaname";
    private const string EncodingAttribute = "googclient_schemaencoding";
    private const string RevisionAttribute = "googclient_schemarevisionid";

    /// <summary>The messages, each with the attributes that name the revision of the schema to which it conforms.</summary>
    /// <param name="state">Where the schema is.</param>
    /// <param name="settings">The schema settings of the topic.</param>
    /// <param name="messages">The messages; they are changed.</param>
    /// <exception cref="RpcException">INVALID_ARGUMENT: one does not conform. NOT_FOUND: the schema was deleted.</exception>
    public static IEnumerable<PubsubMessage> Checked(BrokerState state, TopicSchema settings, IReadOnlyList<PubsubMessage> messages)
    {
        if (settings.Name == ResourceNames.DeletedSchema)
        {
            throw new RpcException(new Status(StatusCode.NotFound, "The schema of the topic was deleted: give the topic another one, or clear its schema_settings."));
        }

        var schema = state.Schema(settings.Name);
        for (var i = 0; i < messages.Count; i++)
        {
            try
            {
                var attributes = messages[i].Attributes;
                attributes[RevisionAttribute] = schema.Match(messages[i].Data.Memory, settings).Id;
                attributes[NameAttribute] = settings.Name;
                attributes[EncodingAttribute] = settings.Encoding == Encoding.Json ? "JSON" : "BINARY";
            }
            catch (FormatException wrong)
            {
                throw ServiceCalls.Invalid(
                    $"Message {i + 1} of {messages.Count} does not conform to the schema {settings.Name} in the encoding {settings.Encoding.ToString().ToUpperInvariant()}: {wrong.Message}.");
            }
        }

        return messages;
    }
}
