using System.Text.Json;
using Google.Cloud.PubSub.V1.Schemas;

namespace EcomStream.PubSub.Broker.Schemas;

/// <summary>The parsed definition of a schema: https://cloud.google.com/pubsub/docs/schemas.</summary>
internal abstract class SchemaDefinition
{
    /// <summary>Messages, arrays and records that may be nested in each other.</summary>
    public const int DeepestNesting = 100;

    /// <summary>Parses a definition.</summary>
    /// <param name="type">Its type.</param>
    /// <param name="definition">An Avro schema in JSON, or the text of a .proto file.</param>
    /// <exception cref="FormatException">It is not valid; the message says why.</exception>
    public static SchemaDefinition Parse(Schema.Types.Type type, string definition) => type switch
    {
        Schema.Types.Type.Avro => AvroDefinition.Parse(definition),
        Schema.Types.Type.ProtocolBuffer => ProtobufDefinition.Parse(definition),
        _ => throw new FormatException("its type must be AVRO or PROTOCOL_BUFFER"),
    };

    /// <summary>Checks the data of a message.</summary>
    /// <param name="data">The data.</param>
    /// <param name="encoding">JSON or binary.</param>
    /// <exception cref="FormatException">It does not conform; the message says where.</exception>
    public void Check(ReadOnlyMemory<byte> data, Encoding encoding)
    {
        if (encoding == Encoding.Json)
        {
            try
            {
                using var json = JsonDocument.Parse(data, new JsonDocumentOptions { MaxDepth = DeepestNesting });
                CheckJson(json.RootElement);
            }
            catch (Exception invalid) when (invalid is JsonException or InvalidOperationException)
            {
                // The latter for texts that are not valid Unicode, which show when they are read.
                throw new FormatException($"it is not JSON ({invalid.Message.TrimEnd('.')})", invalid);
            }
        }
        else
        {
            CheckBinary(data.Span);
        }
    }

    /// <summary>Why this definition may not be a revision that follows another one; null when it may.</summary>
    /// <param name="previous">A definition of the same type.</param>
    public abstract string? Incompatibility(SchemaDefinition previous);

    protected abstract void CheckJson(JsonElement data);

    protected abstract void CheckBinary(ReadOnlySpan<byte> data);
}
