using System.Globalization;
using System.Text.Json;
using Google.Protobuf.Reflection;

namespace EcomStream.PubSub.Broker.Schemas;

/// <summary>Checks data in the JSON encoding of protocol buffers: https://protobuf.dev/programming-guides/json.</summary>
internal static class ProtobufJson
{
    /// <exception cref="FormatException">The message does not conform; the message of the exception says where.</exception>
    public static void Check(MessageDescriptor type, JsonElement value, string path)
    {
        Require(value.ValueKind == JsonValueKind.Object, path, "an object");
        var found = new HashSet<int>();
        var oneofs = new HashSet<string>();
        foreach (var property in value.EnumerateObject())
        {
            var field = type.Fields.InDeclarationOrder().FirstOrDefault(field => field.JsonName == property.Name || field.Name == property.Name)
                ?? throw new FormatException($"{path} has the field {property.Name}, which the schema lacks");
            Require(found.Add(field.FieldNumber), path, $"an object that has {field.Name} once");
            if (property.Value.ValueKind == JsonValueKind.Null)
            {
                // "null is an accepted value for all field types and treated as the default value".
                found.Remove(field.FieldNumber);
                continue;
            }

            if (field.RealContainingOneof is { } oneof)
            {
                Require(oneofs.Add(oneof.Name), path, $"an object that has one field of {oneof.Name}");
            }

            CheckField(field, property.Value, $"{path}.{field.Name}");
        }

        foreach (var field in type.Fields.InDeclarationOrder())
        {
            Require(!field.IsRequired || found.Contains(field.FieldNumber), path, $"an object with the field {field.Name}, which is required");
        }
    }

    private static void CheckField(FieldDescriptor field, JsonElement value, string path)
    {
        if (field.IsMap)
        {
            Require(value.ValueKind == JsonValueKind.Object, path, "an object");
            var (key, item) = (field.MessageType.FindFieldByNumber(1), field.MessageType.FindFieldByNumber(2));
            foreach (var property in value.EnumerateObject())
            {
                Require(IsKey(key.FieldType, property.Name), path, "an object whose keys have the type of the map's");
                CheckValue(item, property.Value, $"{path}.{property.Name}");
            }
        }
        else if (field.IsRepeated)
        {
            Require(value.ValueKind == JsonValueKind.Array, path, "an array");
            var index = 0;
            foreach (var item in value.EnumerateArray())
            {
                CheckValue(field, item, $"{path}[{index++}]");
            }
        }
        else
        {
            CheckValue(field, value, path);
        }
    }

    private static void CheckValue(FieldDescriptor field, JsonElement value, string path)
    {
        switch (field.FieldType)
        {
            case FieldType.Message or FieldType.Group:
                Check(field.MessageType, value, path);
                break;
            case FieldType.Bool:
                Require(value.ValueKind is JsonValueKind.True or JsonValueKind.False, path, "true or false");
                break;
            case FieldType.String:
                Require(value.ValueKind == JsonValueKind.String, path, "a string");
                break;
            case FieldType.Bytes:
                Require(value.ValueKind == JsonValueKind.String && IsBase64(value.GetString()!), path, "a string in base64");
                break;
            case FieldType.Enum:
                Require(
                    value.ValueKind == JsonValueKind.String ? field.EnumType.FindValueByName(value.GetString()!) is not null : IsIntegral(value, int.MinValue, int.MaxValue),
                    path, $"a value of {field.EnumType.Name}");
                break;
            case FieldType.Float or FieldType.Double:
                Require(IsFloating(value), path, "a number");
                break;
            case FieldType.Int32 or FieldType.SInt32 or FieldType.SFixed32:
                Require(IsIntegral(value, int.MinValue, int.MaxValue), path, "an integer of 32 bits");
                break;
            case FieldType.UInt32 or FieldType.Fixed32:
                Require(IsIntegral(value, 0, uint.MaxValue), path, "an unsigned integer of 32 bits");
                break;
            case FieldType.Int64 or FieldType.SInt64 or FieldType.SFixed64:
                Require(IsIntegral(value, long.MinValue, long.MaxValue), path, "an integer of 64 bits");
                break;
            default:
                Require(IsIntegral(value, 0, ulong.MaxValue), path, "an unsigned integer of 64 bits");
                break;
        }
    }

    // A number or a string that is one; 1.0 and 1e2 are integers too.
    private static bool IsIntegral(JsonElement value, decimal least, decimal most) =>
        Text(value) is { } text && decimal.TryParse(text, NumberStyles.AllowLeadingSign | NumberStyles.AllowDecimalPoint | NumberStyles.AllowExponent, CultureInfo.InvariantCulture, out var number)
        && number == decimal.Truncate(number) && number >= least && number <= most;

    private static bool IsFloating(JsonElement value) =>
        Text(value) is { } text
        && (text is "NaN" or "Infinity" or "-Infinity"
            || (double.TryParse(text, NumberStyles.Float & ~NumberStyles.AllowLeadingWhite & ~NumberStyles.AllowTrailingWhite, CultureInfo.InvariantCulture, out var number) && double.IsFinite(number)));

    private static string? Text(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Number => value.GetRawText(),
        JsonValueKind.String => value.GetString(),
        _ => null,
    };

    private static bool IsKey(FieldType type, string name) => type switch
    {
        FieldType.String => true,
        FieldType.Bool => name is "true" or "false",
        FieldType.UInt32 or FieldType.Fixed32 => uint.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out _),
        FieldType.UInt64 or FieldType.Fixed64 => ulong.TryParse(name, NumberStyles.None, CultureInfo.InvariantCulture, out _),
        FieldType.Int64 or FieldType.SInt64 or FieldType.SFixed64 => long.TryParse(name, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _),
        _ => int.TryParse(name, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out _),
    };

    // Standard or URL-safe, with or without padding.
    private static bool IsBase64(string text)
    {
        var standard = text.Replace('-', '+').Replace('_', '/').TrimEnd('=');
        return Convert.TryFromBase64String(standard.PadRight((standard.Length + 3) / 4 * 4, '='), new byte[(standard.Length * 3 / 4) + 3], out _);
    }

    private static void Require(bool condition, string path, string expected)
    {
        if (!condition)
        {
            throw new FormatException($"{path} must be {expected}");
        }
    }
}
