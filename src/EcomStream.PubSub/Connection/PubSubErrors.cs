using EcomStream.Core;
using Grpc.Core;

namespace EcomStream.PubSub;

/// <summary>
/// What a gRPC status means for whoever sent the request
/// (https://cloud.google.com/pubsub/docs/reference/error-codes).
/// </summary>
internal static class PubSubErrors
{
    /// <summary>Whether the same request may succeed later.</summary>
    public static bool IsRetryable(RpcException error) => error.StatusCode is
        StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Internal or StatusCode.ResourceExhausted
        or StatusCode.Cancelled or StatusCode.Aborted or StatusCode.Unknown;

    /// <summary>The status and what to do about it, as the end of a sentence.</summary>
    /// <param name="error">The status.</param>
    /// <param name="what">What the request was about: a topic, a subscription, a project.</param>
    /// <param name="account">Whose credentials the request had (<see cref="PubSubConnection.Account"/>).</param>
    public static string Explain(RpcException error, string what, string account)
    {
        var advice = error.StatusCode switch
        {
            StatusCode.NotFound => $"Create the {what}, or correct its name or project-id",
            StatusCode.PermissionDenied => $"Give {account} the role that the {what} needs",
            StatusCode.Unauthenticated => $"Check {account}",
            StatusCode.InvalidArgument => "Correct what the server names",
            StatusCode.FailedPrecondition => $"Check the state of the {what}",
            StatusCode.Unimplemented => "Check that the endpoint is a Pub/Sub server",
            _ => "See the server's log",
        };
        return $"{Name(error.StatusCode)} ({error.Status.Detail.TrimEnd('.')}). {advice}.";
    }

    /// <summary>A subscription that cannot be read.</summary>
    public static SubscriptionFailedException Reading(string path, PubSubConnection connection, RpcException error) =>
        Reading(path, connection.Settings, connection.Account, error);

    /// <summary>A subscription that cannot be read.</summary>
    public static SubscriptionFailedException Reading(string path, PubSubSettings settings, string account, RpcException error) =>
        new($"Reading subscription {path} on {settings.Endpoint} failed with {Explain(error, "subscription", account)}", error);

    /// <summary>Messages that cannot be published.</summary>
    /// <param name="count">How many there are in the request.</param>
    /// <param name="topic">The topic's full name.</param>
    /// <param name="connection">The connection.</param>
    /// <param name="error">The status.</param>
    /// <param name="accepted">The indexes of the call's messages that were accepted before.</param>
    /// <param name="isUncertain">Whether an earlier attempt of the request ended without an answer.</param>
    public static PublishFailedException Publishing(
        int count, string topic, PubSubConnection connection, RpcException error, IReadOnlyList<int> accepted, bool isUncertain) => new(
        $"Publishing {count} messages to {topic} on {connection.Settings.Endpoint} failed with {Explain(error, "topic", connection.Account)}",
        error,
        error.StatusCode == StatusCode.InvalidArgument ? PublishFault.Message : PublishFault.Destination)
    {
        Accepted = accepted,
        IsUncertain = isUncertain,
    };

    // The names of the specification, which is what a human looks up, and not those of the C# enumeration.
    private static string Name(StatusCode code) => code switch
    {
        StatusCode.NotFound => "NOT_FOUND",
        StatusCode.PermissionDenied => "PERMISSION_DENIED",
        StatusCode.Unauthenticated => "UNAUTHENTICATED",
        StatusCode.InvalidArgument => "INVALID_ARGUMENT",
        StatusCode.FailedPrecondition => "FAILED_PRECONDITION",
        StatusCode.Unimplemented => "UNIMPLEMENTED",
        StatusCode.AlreadyExists => "ALREADY_EXISTS",
        StatusCode.OutOfRange => "OUT_OF_RANGE",
        _ => code.ToString(),
    };
}
