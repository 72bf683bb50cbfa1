using System.Text.RegularExpressions;

namespace EcomStream.PubSub.Broker;

/// <summary>
/// Names of topics and subscriptions: projects/P/topics/T and projects/P/subscriptions/S, where T and S are 3 to 255
/// letters, digits and - _ . ~ + %, begin with a letter and do not begin with "goog"
/// (https://cloud.google.com/pubsub/docs/pubsub-basics#resource_names).
/// </summary>
internal static partial class ResourceNames
{
    public static bool IsTopic(string name) => Topic().IsMatch(name);

    public static bool IsSubscription(string name) => Subscription().IsMatch(name);

    public static bool IsProject(string name) => Project().IsMatch(name);

    [GeneratedRegex(@"^projects/[^/]+/topics/(?!goog)[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}$")]
    private static partial Regex Topic();

    [GeneratedRegex(@"^projects/[^/]+/subscriptions/(?!goog)[A-Za-z][A-Za-z0-9\-_.~+%]{2,254}$")]
    private static partial Regex Subscription();

    [GeneratedRegex("^projects/[^/]+$")]
    private static partial Regex Project();
}
