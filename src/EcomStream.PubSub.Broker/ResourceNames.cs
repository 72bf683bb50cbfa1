using System.Text.RegularExpressions;

namespace EcomStream.PubSub.Broker;

/// <summary>
/// Names of topics, subscriptions and snapshots: projects/P/topics/T and so on, where T has 3 to 255 letters, digits and
/// - _ . ~ + %, begins with a letter and does not begin with "goog"
/// (https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names).
/// </summary>
internal static partial class ResourceNames
{
    /// <summary>What a subscription or a snapshot names when its topic was deleted.</summary>
    public const string DeletedTopic = "_deleted-topic_";

    public static bool IsTopic(string name) => Topic().IsMatch(name);

    public static bool IsSubscription(string name) => Subscription().IsMatch(name);

    public static bool IsSnapshot(string name) => Snapshot().IsMatch(name);

    public static bool IsProject(string name) => Project().IsMatch(name);

    /// <summary>projects/P of a resource's name.</summary>
    public static string ProjectOf(string name) => string.Join('/', name.Split('/').Take(2));

    /// <summary>A name that nobody has, in the project of another resource.</summary>
    /// <param name="other">The full name of that resource.</param>
    /// <param name="kind">subscription or snapshot.</param>
    public static string Random(string other, string kind) => $"{ProjectOf(other)}/{kind}s/{kind}-{Guid.NewGuid():n}";

    /// <summary>What stands behind the last slash.</summary>
    public static string IdOf(string name) => name[(name.LastIndexOf('/') + 1)..];

    [GeneratedRegex(@"^projects/[^/]+/topics/(?!goog)[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}\z")]
    private static partial Regex Topic();

    [GeneratedRegex(@"^projects/[^/]+/subscriptions/(?!goog)[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}\z")]
    private static partial Regex Subscription();

    [GeneratedRegex(@"^projects/[^/]+/snapshots/(?!goog)[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}\z")]
    private static partial Regex Snapshot();

    [GeneratedRegex(@"^projects/[^/]+\z")]
    private static partial Regex Project();
}
