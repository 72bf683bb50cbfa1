using System.Text.Json;
using System.Text.Json.Nodes;
using Google.Protobuf.Reflection;

namespace EcomStream.PubSub.Broker.Rest;

/// <summary>
/// "Either standard or URL-safe base64 encoding with/without paddings are accepted"
/// (https://protobuf.dev/programming-guides/json/): the parser of Google.Protobuf takes the padded standard encoding alone.
/// </summary>
internal static class Base64Fields
{
    /// <summary>The request with the bytes of its fields in the padded standard encoding; null when they are already, or when it is not JSON.</summary>
    public static string? Standardized(string json, MessageDescriptor type)
    {
        try
        {
            return JsonNode.Parse(json) is JsonObject request && Standardize(request, type) ? request.ToJsonString() : null;
        }
        catch (Exception invalid) when (invalid is JsonException or ArgumentException)
        {
            // Invalid JSON, or a field that is set twice: the parser says so.
            return null;
        }
    }

    private static bool Standardize(JsonObject message, MessageDescriptor type)
    {
        var changed = false;
        foreach (var field in type.Fields.InDeclarationOrder().Where(field => field.FieldType is FieldType.Bytes or FieldType.Message && !field.IsMap))
        {
            var name = message.ContainsKey(field.JsonName) ? field.JsonName : field.Name;
            if (message[name] is JsonObject inner && field.FieldType == FieldType.Message)
            {
                changed |= Standardize(inner, field.MessageType);
            }
            else if (message[name] is JsonArray items && field.FieldType == FieldType.Message)
            {
                foreach (var item in items.OfType<JsonObject>())
                {
                    changed |= Standardize(item, field.MessageType);
                }
            }
            else if (field.FieldType == FieldType.Bytes && message[name] is JsonValue value && value.TryGetValue(out string? text)
                && Standard(text) is var standard && standard != text)
            {
                message[name] = standard;
                changed = true;
            }
        }

        return changed;
    }

    private static string Standard(string text)
    {
        var standard = text.Replace('-', '+').Replace('_', '/');
        return standard.PadRight((standard.Length + 3) / 4 * 4, '=');
    }
}
