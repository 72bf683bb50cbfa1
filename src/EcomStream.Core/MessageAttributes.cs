using System.Text.Encodings.Web;
using System.Text.Json;

namespace EcomStream.Core;

/// <summary>The attributes of a message as a row keeps them: one JSON object of strings.</summary>
public static class MessageAttributes
{
    /// <summary>No attributes.</summary>
    public const string None = "{}";

    private static readonly JsonSerializerOptions _options = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    /// <summary>Writes attributes.</summary>
    public static string ToJson(IReadOnlyDictionary<string, string> attributes) =>
        attributes.Count == 0 ? None : JsonSerializer.Serialize(attributes, _options);

    /// <summary>Reads attributes; what is no JSON object of strings, which only another writer can bring about, has none.</summary>
    public static IReadOnlyDictionary<string, string> Of(string json)
    {
        if (json is None or "")
        {
            return Delivery.NoAttributes;
        }

        try
        {
            return JsonSerializer.Deserialize<Dictionary<string, string>>(json) ?? Delivery.NoAttributes;
        }
        catch (JsonException)
        {
            return Delivery.NoAttributes;
        }
    }
}
