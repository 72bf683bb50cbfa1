using System.Text.Unicode;
using EcomStream.PubSub.Protocol;
using Google.Protobuf.Reflection;

namespace EcomStream.PubSub.Broker.Schemas;

/// <summary>
/// Checks data in the binary encoding of protocol buffers (https://protobuf.dev/programming-guides/encoding). Fields that the
/// schema lacks conform, as every parser takes them.
/// </summary>
internal static class ProtobufBinary
{
    private const int StartGroup = 3;
    private const int EndGroup = 4;

    /// <exception cref="FormatException">The message does not conform; the message of the exception says where.</exception>
    /// <exception cref="InvalidDataException">The bytes are cut off or damaged.</exception>
    public static void Check(MessageDescriptor type, ReadOnlySpan<byte> data, string path, int depth) =>
        Fields(type, ref data, path, depth, endGroup: null);

    private static void Fields(MessageDescriptor type, ref ReadOnlySpan<byte> data, string path, int depth, int? endGroup)
    {
        if (depth > SchemaDefinition.DeepestNesting)
        {
            throw new FormatException($"{path} is nested more than {SchemaDefinition.DeepestNesting} deep");
        }

        var found = new HashSet<int>();
        while (!data.IsEmpty)
        {
            var tag = ProtobufWire.ReadVarint(ref data);
            var (number, wireType) = ((int)(tag >> 3), (int)(tag & 7));
            if (tag >> 3 is 0 or > (1 << 29) - 1)
            {
                throw new FormatException($"{path} has a field with the number {tag >> 3}");
            }

            if (wireType == EndGroup)
            {
                if (number == endGroup)
                {
                    Required(type, found, path);
                    return;
                }

                throw new FormatException($"{path} ends a group that it has not begun");
            }

            found.Add(number);
            Field(type.FindFieldByNumber(number), number, tag, wireType, ref data, path, depth);
        }

        if (endGroup is not null)
        {
            throw new FormatException($"{path} is cut off in a group");
        }

        Required(type, found, path);
    }

    private static void Field(FieldDescriptor? field, int number, ulong tag, int wireType, ref ReadOnlySpan<byte> data, string path, int depth)
    {
        if (wireType == StartGroup)
        {
            // What is in a group that the schema lacks is only skipped: any fields conform to a message without fields.
            Fields(field is { FieldType: FieldType.Group } ? field.MessageType : NoFields, ref data, $"{path}.{field?.Name ?? $"{number}"}", depth + 1, number);
            return;
        }

        if (wireType != ProtobufWire.Len || field is null)
        {
            ProtobufWire.Skip(ref data, tag);
            return;
        }

        var value = ProtobufWire.ReadLen(ref data);
        if (field.FieldType == FieldType.Message)
        {
            Check(field.MessageType, value, $"{path}.{field.Name}", depth + 1);
        }
        else if (field.FieldType == FieldType.String && !Utf8.IsValid(value))
        {
            throw new FormatException($"{path}.{field.Name} is not valid UTF-8");
        }
    }

    private static void Required(MessageDescriptor type, HashSet<int> found, string path)
    {
        foreach (var field in type.Fields.InDeclarationOrder())
        {
            if (field.IsRequired && !found.Contains(field.FieldNumber))
            {
                throw new FormatException($"{path} lacks the field {field.Name}, which is required");
            }
        }
    }

    private static MessageDescriptor NoFields => Google.Protobuf.WellKnownTypes.Empty.Descriptor;
}
