using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.Topics;
using Google.Cloud.PubSub.V1;
using Google.Cloud.PubSub.V1.Schemas;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.State;

/// <summary>Messages that are published to a topic with a schema: https://cloud.google.com/pubsub/docs/schemas.</summary>
internal sealed class SchemaConformance
{
    private const string NameAttribute = "googclient_schemaname";
    private const string EncodingAttribute = "googclient_schemaencoding";
    private const string RevisionAttribute = "googclient_schemarevisionid";

    private readonly TopicSchema _settings;
    private readonly BrokerSchema _schema;

    /// <param name="state">Where the schema is.</param>
    /// <param name="settings">The schema settings of the topic.</param>
    /// <exception cref="RpcException">NOT_FOUND: the schema was deleted.</exception>
    public SchemaConformance(BrokerState state, TopicSchema settings)
    {
        if (settings.Name == ResourceNames.DeletedSchema)
        {
            throw new RpcException(new Status(StatusCode.NotFound, "The schema of the topic was deleted: give the topic another one, or clear its schema_settings."));
        }

        (_settings, _schema) = (settings, state.Schema(settings.Name));
    }

    /// <summary>The messages of a request, each with the attributes that name the revision of the schema to which it conforms.</summary>
    /// <param name="state">Where the schema is.</param>
    /// <param name="settings">The schema settings of the topic.</param>
    /// <param name="messages">The messages; they are changed.</param>
    /// <exception cref="RpcException">INVALID_ARGUMENT: one does not conform. NOT_FOUND: the schema was deleted.</exception>
    public static IEnumerable<PubsubMessage> Checked(BrokerState state, TopicSchema settings, IReadOnlyList<PubsubMessage> messages)
    {
        var conformance = new SchemaConformance(state, settings);
        for (var i = 0; i < messages.Count; i++)
        {
            try
            {
                conformance.Mark(messages[i]);
            }
            catch (FormatException wrong)
            {
                throw ServiceCalls.Invalid(
                    $"Message {i + 1} of {messages.Count} does not conform to the schema {settings.Name} in the encoding {settings.Encoding.ToString().ToUpperInvariant()}: {wrong.Message}.");
            }
        }

        return messages;
    }

    /// <summary>Gives a message the attributes that name the revision to which it conforms.</summary>
    /// <exception cref="FormatException">It conforms to none; the message says why.</exception>
    public void Mark(PubsubMessage message)
    {
        message.Attributes[RevisionAttribute] = _schema.Match(message.Data.Memory, _settings).Id;
        message.Attributes[NameAttribute] = _settings.Name;
        message.Attributes[EncodingAttribute] = _settings.Encoding == Encoding.Json ? "JSON" : "BINARY";
    }
}
