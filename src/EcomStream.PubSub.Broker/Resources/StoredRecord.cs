using System.Text.Json;
using System.Text.Json.Serialization;

namespace EcomStream.PubSub.Broker.Resources;

/// <summary>
/// Something that the broker stores as JSON. Fields that a later version of the broker has written are kept, so that a folder
/// can be opened by an earlier version in between.
/// </summary>
internal abstract record StoredRecord
{
    /// <summary>Fields that this version does not know; null for none.</summary>
    [JsonExtensionData]
    public Dictionary<string, JsonElement>? Unknown { get; init; }

    /// <summary>Stored records in it.</summary>
    protected virtual IEnumerable<StoredRecord?> Parts => [];

    /// <summary>An updated record with the fields of the current one that this version does not know.</summary>
    public static T? Keeping<T>(T? updated, T? current)
        where T : StoredRecord =>
        updated is not null && current?.Unknown is { } unknown ? (T)((StoredRecord)updated with { Unknown = unknown }) : updated;

    /// <summary>The names of the fields that this version does not know, those of its parts included.</summary>
    public IEnumerable<string> UnknownFields() =>
        (Unknown?.Keys ?? Enumerable.Empty<string>()).Concat(Parts.SelectMany(part => part?.UnknownFields() ?? []));
}
