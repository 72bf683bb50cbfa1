using EcomStream.PubSub.Broker.Resources;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.State;

/// <summary>The IAM policies of topics, subscriptions, snapshots and schemas.</summary>
internal sealed partial class BrokerState
{
    /// <summary>Whether there is a topic, subscription, snapshot or schema of a name.</summary>
    public bool Exists(string resource) =>
        _topics.ContainsKey(resource) || _subscriptions.ContainsKey(resource) || _snapshots.ContainsKey(resource) || _schemas.ContainsKey(resource);

    /// <summary>The stored policy of a resource; null when none was set.</summary>
    /// <exception cref="RpcException">NOT_FOUND, or INVALID_ARGUMENT for a name of something else.</exception>
    public string? GetPolicy(string resource) => ResourceNames.KindOf(resource) switch
    {
        "topics" => Topic(resource).Settings.IamPolicy,
        "subscriptions" => Subscription(resource).Settings.IamPolicy,
        "snapshots" => Snapshot(resource).Entry.IamPolicy,
        "schemas" => Schema(resource).Entry.IamPolicy,
        _ => throw NoPolicy(resource),
    };

    /// <summary>Replaces the policy of a resource.</summary>
    /// <param name="resource">Its full name.</param>
    /// <param name="change">The new policy by the current one.</param>
    /// <returns>The new policy.</returns>
    /// <exception cref="RpcException">NOT_FOUND, or INVALID_ARGUMENT for a name of something else.</exception>
    public string SetPolicy(string resource, Func<string?, string> change) => ResourceNames.KindOf(resource) switch
    {
        "topics" => UpdateTopic(resource, settings => settings with { IamPolicy = change(settings.IamPolicy) }).Settings.IamPolicy!,
        "subscriptions" => UpdateSubscription(resource, settings => settings with { IamPolicy = change(settings.IamPolicy) }).Settings.IamPolicy!,
        "snapshots" => UpdateSnapshot(resource, entry => entry with { IamPolicy = change(entry.IamPolicy) }).Entry.IamPolicy!,
        "schemas" => UpdateSchema(resource, entry => entry with { IamPolicy = change(entry.IamPolicy) }).Entry.IamPolicy!,
        _ => throw NoPolicy(resource),
    };

    private static RpcException NoPolicy(string resource) =>
        new(new Status(StatusCode.InvalidArgument, $"'{resource}' is not the name of a topic, subscription, snapshot or schema, which have policies here."));
}
