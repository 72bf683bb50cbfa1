using System.Text.Json;
using Google.Protobuf.Reflection;

namespace EcomStream.PubSub.Broker.Schemas;

/// <summary>
/// The text of a .proto file with one message at its top level and no imports, in proto2 or proto3
/// (https://cloud.google.com/pubsub/docs/schemas).
/// </summary>
internal sealed class ProtobufDefinition : SchemaDefinition
{
    private readonly MessageDescriptor _message;

    private ProtobufDefinition(MessageDescriptor message) => _message = message;

    /// <exception cref="FormatException">The text is not such a file.</exception>
    public static ProtobufDefinition Parse(string definition)
    {
        var file = ProtobufText.Parse(definition);
        return file.MessageTypes.Count == 1 && file.EnumTypes.Count == 0 && file.Services.Count == 0
            ? new ProtobufDefinition(file.MessageTypes[0])
            : throw new FormatException("it must define one message at its top level, and nothing beside it");
    }

    /// <summary>"You can add or remove optional fields. You can't add or delete other fields. You also can't edit any existing field."</summary>
    public override string? Incompatibility(SchemaDefinition previous) =>
        previous is ProtobufDefinition other ? Incompatibility(_message, other._message, []) : "it is of another type";

    protected override void CheckJson(JsonElement data) => ProtobufJson.Check(_message, data, "the message");

    protected override void CheckBinary(ReadOnlySpan<byte> data)
    {
        try
        {
            ProtobufBinary.Check(_message, data, "the message", 0);
        }
        catch (InvalidDataException cut)
        {
            throw new FormatException("its fields are cut off or damaged", cut);
        }
    }

    // Messages that contain each other are compared once.
    private static string? Incompatibility(MessageDescriptor now, MessageDescriptor before, HashSet<(MessageDescriptor Now, MessageDescriptor Before)> compared)
    {
        if (!compared.Add((now, before)))
        {
            return null;
        }

        foreach (var number in now.Fields.InFieldNumberOrder().Concat(before.Fields.InFieldNumberOrder()).Select(field => field.FieldNumber).Distinct())
        {
            var (field, old) = (now.FindFieldByNumber(number), before.FindFieldByNumber(number));
            if (field is null || old is null)
            {
                var single = (field ?? old)!;
                if (single.IsRequired || single.IsRepeated)
                {
                    return $"the field {single.FullName} is {(field is null ? "removed" : "added")}, and only optional fields may be added or removed";
                }
            }
            else if (field.Name != old.Name || field.FieldType != old.FieldType || field.IsRepeated != old.IsRepeated || field.IsRequired != old.IsRequired
                || field.IsMap != old.IsMap)
            {
                return $"the field {old.FullName} is edited";
            }
            else if (field.FieldType is FieldType.Message or FieldType.Group && Incompatibility(field.MessageType, old.MessageType, compared) is { } inner)
            {
                return inner;
            }
        }

        return null;
    }
}
