using System.Text.Encodings.Web;
using System.Text.Json;

namespace EcomStream.Core;

/// <summary>The attributes of a message as a row keeps them: one JSON object of strings.</summary>
public static class MessageAttributes
{
    /// <summary>No attributes.</summary>
    public const string None = "{}";

    private static readonly JsonSerializerOptions _options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes attributes and an ordering key.</summary>
    /// <param name="attributes">The attributes of the message.</param>
    /// <param name="orderingKey">Its ordering key; empty for none. It is kept under the empty name, which no attribute can have.</param>
    public static string ToJson(IReadOnlyDictionary<string, string> attributes, string orderingKey = "") =>
        orderingKey.Length > 0 ? JsonSerializer.Serialize(new Dictionary<string, string>(attributes) { [""] = orderingKey }, _options)
        : attributes.Count == 0 ? None
        : JsonSerializer.Serialize(attributes, _options);

    /// <summary>Reads the attributes; a text that is not a JSON object of strings, which only another program can have written, has none.</summary>
    public static IReadOnlyDictionary<string, string> Of(string json)
    {
        var read = Read(json);
        if (read is null)
        {
            return Delivery.NoAttributes;
        }

        read.Remove("");
        return read;
    }

    /// <summary>Reads the ordering key; empty for none.</summary>
    public static string OrderingKeyOf(string json) => Read(json)?.GetValueOrDefault("") ?? "";

    private static Dictionary<string, string>? Read(string json)
    {
        if (json is None or "")
        {
            return null;
        }

        try
        {
            return JsonSerializer.Deserialize<Dictionary<string, string>>(json);
        }
        catch (JsonException)
        {
            return null;
        }
    }
}
