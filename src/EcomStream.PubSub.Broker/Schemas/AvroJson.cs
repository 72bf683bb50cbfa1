using System.Text.Json;

namespace EcomStream.PubSub.Broker.Schemas;

/// <summary>
/// Checks data in Avro's JSON encoding (https://avro.apache.org/docs/1.11.1/specification/#json-encoding). Every field of a
/// record must be there, with or without a default; properties that are not fields are ignored.
/// </summary>
internal static class AvroJson
{
    /// <exception cref="FormatException">The value does not conform; the message says where.</exception>
    public static void Check(Avro.Schema schema, JsonElement value, string path)
    {
        switch (schema)
        {
            case Avro.LogicalSchema logical:
                Check(logical.BaseSchema, value, path);
                break;
            case Avro.RecordSchema record:
                Require(value.ValueKind == JsonValueKind.Object, path, "an object");
                foreach (var field in record.Fields)
                {
                    Require(value.TryGetProperty(field.Name, out var property), path, $"an object with the field {field.Name}");
                    Check(field.Schema, property, $"{path}.{field.Name}");
                }

                break;
            case Avro.EnumSchema symbols:
                Require(value.ValueKind == JsonValueKind.String && symbols.Symbols.Contains(value.GetString()!), path, $"one of {string.Join(", ", symbols.Symbols)}");
                break;
            case Avro.UnionSchema union:
                CheckUnion(union, value, path);
                break;
            case Avro.FixedSchema bytes:
                Require(IsBytes(value) && value.GetString()!.Length == bytes.Size, path, $"a string of {bytes.Size} characters up to U+00FF");
                break;
            case Avro.ArraySchema array:
                Require(value.ValueKind == JsonValueKind.Array, path, "an array");
                var index = 0;
                foreach (var item in value.EnumerateArray())
                {
                    Check(array.ItemSchema, item, $"{path}[{index++}]");
                }

                break;
            case Avro.MapSchema map:
                Require(value.ValueKind == JsonValueKind.Object, path, "an object");
                foreach (var property in value.EnumerateObject())
                {
                    Check(map.ValueSchema, property.Value, $"{path}.{property.Name}");
                }

                break;
            default:
                CheckPrimitive(schema.Tag, value, path);
                break;
        }
    }

    // null, or an object whose one property has the name of the type.
    private static void CheckUnion(Avro.UnionSchema union, JsonElement value, string path)
    {
        if (value.ValueKind == JsonValueKind.Null)
        {
            Require(union.Schemas.Any(schema => schema.Tag == Avro.Schema.Type.Null), path, "not null");
            return;
        }

        Require(value.ValueKind == JsonValueKind.Object && value.EnumerateObject().Count() == 1, path, "an object that names the type of the union");
        var property = value.EnumerateObject().Single();
        var schema = union.Schemas.FirstOrDefault(schema => NameOf(schema) == property.Name);
        Require(schema is not null, path, $"an object with one of {string.Join(", ", union.Schemas.Select(NameOf))}");
        Check(schema!, property.Value, $"{path}.{property.Name}");
    }

    private static string NameOf(Avro.Schema schema) => schema switch
    {
        Avro.LogicalSchema logical => NameOf(logical.BaseSchema),
        Avro.NamedSchema named => named.Fullname,
        _ => Avro.Schema.GetTypeString(schema.Tag),
    };

    private static void CheckPrimitive(Avro.Schema.Type type, JsonElement value, string path)
    {
        switch (type)
        {
            case Avro.Schema.Type.Null:
                Require(value.ValueKind == JsonValueKind.Null, path, "null");
                break;
            case Avro.Schema.Type.Boolean:
                Require(value.ValueKind is JsonValueKind.True or JsonValueKind.False, path, "a boolean");
                break;
            case Avro.Schema.Type.Int:
                Require(value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out _), path, "an int of 32 bits");
                break;
            case Avro.Schema.Type.Long:
                Require(value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out _), path, "a long of 64 bits");
                break;
            case Avro.Schema.Type.Float:
            case Avro.Schema.Type.Double:
                Require(value.ValueKind == JsonValueKind.Number, path, "a number");
                break;
            case Avro.Schema.Type.Bytes:
                Require(IsBytes(value), path, "a string of characters up to U+00FF");
                break;
            case Avro.Schema.Type.String:
                Require(value.ValueKind == JsonValueKind.String, path, "a string");
                break;
            default:
                throw new FormatException($"{path} has the type {type}, which is not supported");
        }
    }

    private static bool IsBytes(JsonElement value) => value.ValueKind == JsonValueKind.String && value.GetString()!.All(c => c <= '\u00ff');

    private static void Require(bool condition, string path, string expected)
    {
        if (!condition)
        {
            throw new FormatException($"{path} must be {expected}");
        }
    }
}
