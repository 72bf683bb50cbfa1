using System.Text.RegularExpressions;

namespace EcomStream.PubSub.Broker.Resources;

/// <summary>
/// Names of topics, subscriptions, snapshots and schemas: projects/P/topics/T and so on, where T has 3 to 255 letters, digits and
/// - _ . ~ + %, begins with a letter and does not begin with "goog"
/// (https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names).
/// </summary>
internal static partial class ResourceNames
{
    /// <summary>What a subscription or a snapshot names when its topic was deleted.</summary>
    public const string DeletedTopic = "_deleted-topic_";

    /// <summary>What a topic names when its schema was deleted.</summary>
    public const string DeletedSchema = "_deleted-schema_";

    private const int ShortestId = 3;
    private const int LongestId = 255;

    /// <summary>The rule that a name breaks, as the end of a sentence; null for a valid name.</summary>
    /// <param name="kind">topic, subscription, snapshot or schema.</param>
    /// <param name="name">The full name.</param>
    public static string? BrokenRule(string kind, string name)
    {
        var parts = name.Split('/');
        if (parts.Length != 4 || parts[0] != "projects" || parts[1].Length == 0 || parts[2] != kind + "s")
        {
            return $"it must have the form projects/PROJECT/{kind}s/{kind.ToUpperInvariant()}";
        }

        var id = parts[3];
        if (id.Length is < ShortestId or > LongestId)
        {
            return $"the {kind} id '{id}' has {id.Length} characters; it must have {ShortestId} to {LongestId}";
        }

        if (!char.IsAsciiLetter(id[0]))
        {
            return $"the {kind} id '{id}' must begin with a letter";
        }

        if (id.StartsWith("goog", StringComparison.Ordinal))
        {
            return $"the {kind} id '{id}' must not begin with goog, which is reserved";
        }

        return NotAllowed().Match(id) is { Success: true } found
            ? $"the {kind} id '{id}' contains '{found.Value}'; only letters, digits and - _ . ~ + % are allowed"
            : null;
    }

    public static bool IsProject(string name) => Project().IsMatch(name);

    /// <summary>projects/P of a resource's name.</summary>
    public static string ProjectOf(string name) => string.Join('/', name.Split('/').Take(2));

    /// <summary>topics, subscriptions, snapshots or schemas; something else, or nothing, for other names.</summary>
    public static string KindOf(string name) => name.Split('/') is [_, _, var kind, _] ? kind : "";

    /// <summary>A name that nobody has, in the project of another resource.</summary>
    /// <param name="other">The full name of that resource.</param>
    /// <param name="kind">subscription or snapshot.</param>
    public static string Random(string other, string kind) => $"{ProjectOf(other)}/{kind}s/{kind}-{Guid.NewGuid():n}";

    /// <summary>What stands behind the last slash.</summary>
    public static string IdOf(string name) => name[(name.LastIndexOf('/') + 1)..];

    [GeneratedRegex(@"[^A-Za-z0-9\-_.~+%]")]
    private static partial Regex NotAllowed();

    [GeneratedRegex(@"^projects/[^/]+\z")]
    private static partial Regex Project();
}
