using System.Text.Json;

namespace EcomStream.PubSub.Broker.Schemas;

/// <summary>An Avro schema: https://avro.apache.org/docs/1.11.1/specification.</summary>
internal sealed class AvroDefinition : SchemaDefinition
{
    private readonly Avro.Schema _schema;

    private AvroDefinition(Avro.Schema schema) => _schema = schema;

    /// <exception cref="FormatException">The text is not an Avro schema.</exception>
    public static AvroDefinition Parse(string definition)
    {
        try
        {
            // A type that the parser does not know gives null.
            return new AvroDefinition(Avro.Schema.Parse(definition) ?? throw new FormatException("its type is unknown"));
        }
        catch (Exception invalid) when (invalid is not OutOfMemoryException)
        {
            // The parser throws exceptions of several kinds for what it does not expect.
            throw new FormatException($"it is not an Avro schema ({invalid.Message.TrimEnd('.')})", invalid);
        }
    }

    /// <summary>"A new revision must follow the rules as if it is both the reader schema and the writer schema": the guidelines of commits.</summary>
    public override string? Incompatibility(SchemaDefinition previous) =>
        previous is not AvroDefinition other ? "it is of another type"
        : !AvroResolution.CanRead(_schema, other._schema) ? "it cannot read messages of the revision before it, by Avro's rules of schema resolution"
        : !AvroResolution.CanRead(other._schema, _schema) ? "the revision before it cannot read its messages, by Avro's rules of schema resolution"
        : null;

    protected override void CheckJson(JsonElement data) => AvroJson.Check(_schema, data, "the message");

    protected override void CheckBinary(ReadOnlySpan<byte> data)
    {
        AvroBinary.Check(_schema, ref data);
        if (!data.IsEmpty)
        {
            throw new FormatException($"{data.Length} bytes follow the message");
        }
    }
}
