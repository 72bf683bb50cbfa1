using EcomStream.Broker.V1;
using Google.Cloud.PubSub.V1;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub;

/// <summary>Makes and looks up topics and subscriptions.</summary>
/// <param name="connection">The connection.</param>
public sealed class PubSubAdmin(PubSubConnection connection)
{
    private readonly PubSubSettings _settings = connection.Settings;
    private readonly ILogger _logger = connection.Loggers.CreateLogger<PubSubAdmin>();

    /// <summary>Makes a topic if there is none of that name.</summary>
    /// <returns>Whether it was made.</returns>
    /// <exception cref="PubSubAdminException">The server refuses for good.</exception>
    public Task<bool> EnsureTopicAsync(string topic, CancellationToken cancellationToken)
    {
        var path = _settings.TopicName(topic);
        return CreateAsync(path, "topic", options => connection.Publisher.CreateTopicAsync(new Topic { Name = path }, options).ResponseAsync, cancellationToken);
    }

    /// <summary>Makes a subscription of a topic if there is none of that name.</summary>
    /// <param name="subscription">Its name.</param>
    /// <param name="topic">The topic, which must exist.</param>
    /// <param name="cancellationToken">Ends the retries.</param>
    /// <returns>Whether it was made.</returns>
    /// <exception cref="PubSubAdminException">The server refuses for good, as when the topic does not exist.</exception>
    public Task<bool> EnsureSubscriptionAsync(string subscription, string topic, CancellationToken cancellationToken) => EnsureSubscriptionAsync(
        new SubscriptionPlan { Subscription = subscription, Topic = topic, AckDeadline = _settings.Subscriber.AckDeadline }, cancellationToken);

    /// <summary>Makes a subscription as planned if there is none of that name.</summary>
    /// <param name="plan">The subscription; its topics must exist.</param>
    /// <param name="cancellationToken">Ends the retries.</param>
    /// <returns>Whether it was made.</returns>
    /// <exception cref="PubSubAdminException">The server refuses for good, as when a topic does not exist.</exception>
    public Task<bool> EnsureSubscriptionAsync(SubscriptionPlan plan, CancellationToken cancellationToken)
    {
        var request = plan.ToWire(_settings);
        return CreateAsync(
            request.Name, "subscription", options => connection.Subscriber.CreateSubscriptionAsync(request, options).ResponseAsync, cancellationToken);
    }

    /// <summary>Whether a topic exists.</summary>
    /// <exception cref="PubSubAdminException">The server refuses for good.</exception>
    public async Task<bool> TopicExistsAsync(string topic, CancellationToken cancellationToken)
    {
        var path = _settings.TopicName(topic);
        return await GetAsync(path, "topic", options => connection.Publisher.GetTopicAsync(new GetTopicRequest { Topic = path }, options).ResponseAsync, cancellationToken) is not null;
    }

    /// <summary>Looks up a subscription.</summary>
    /// <returns>What it is; null when there is none of that name.</returns>
    /// <exception cref="PubSubAdminException">The server refuses for good.</exception>
    public async Task<SubscriptionDescription?> GetSubscriptionAsync(string subscription, CancellationToken cancellationToken)
    {
        return await FindSubscriptionAsync(subscription, cancellationToken) is { } found
            ? new SubscriptionDescription(found.Name, found.Topic, TimeSpan.FromSeconds(found.AckDeadlineSeconds), found.EnableExactlyOnceDelivery)
            : null;
    }

    /// <summary>Asks the embedded broker what a subscription has not acked.</summary>
    /// <param name="subscription">Its name.</param>
    /// <param name="cancellationToken">Ends the retries.</param>
    /// <returns>The status; null when the server is not the embedded broker and answers UNIMPLEMENTED.</returns>
    /// <exception cref="PubSubAdminException">The server rejects the request, for example because the subscription does not exist.</exception>
    public async Task<BrokerSubscriptionStatus?> GetSubscriptionStatusAsync(string subscription, CancellationToken cancellationToken)
    {
        var path = _settings.SubscriptionName(subscription);
        try
        {
            var status = await CallAsync(
                path,
                options => connection.Inspection.GetSubscriptionStatusAsync(new GetSubscriptionStatusRequest { Subscription = path }, options).ResponseAsync,
                cancellationToken);
            return new BrokerSubscriptionStatus(
                status.UnackedMessages,
                status.OldestUnackedPublishTimeMicros,
                status.LeasedMessages,
                status.LatestLeaseExpiryMicros,
                status.NowMicros)
            {
                Readers = (int)status.Readers,
            };
        }
        catch (RpcException error) when (error.StatusCode == StatusCode.Unimplemented)
        {
            return null;
        }
        catch (RpcException error)
        {
            throw Failed("Asking for the status of subscription", path, error, "subscription");
        }
    }

    /// <summary>
    /// Asks the embedded broker, once, how many clients have streams open on a subscription, and how many requests they have
    /// sent on them, keep-alives included.
    /// </summary>
    /// <param name="subscription">Its name.</param>
    /// <param name="cancellationToken">Cancels the request.</param>
    /// <returns>Both numbers; 0 also when the server does not answer, or does not tell.</returns>
    public async Task<(int Readers, long Requests)> GetReadersAsync(string subscription, CancellationToken cancellationToken)
    {
        try
        {
            var status = await connection.Inspection.GetSubscriptionStatusAsync(
                new GetSubscriptionStatusRequest { Subscription = _settings.SubscriptionName(subscription) },
                new CallOptions(deadline: connection.Time.GetUtcNow().UtcDateTime + _settings.Connection.RequestTimeout, cancellationToken: cancellationToken));
            return ((int)status.Readers, status.ReaderRequests);
        }
        catch (RpcException) when (!cancellationToken.IsCancellationRequested)
        {
            return default;
        }
    }

    /// <summary>A subscription in its wire form; null when there is none of that name.</summary>
    internal Task<Subscription?> FindSubscriptionAsync(string subscription, CancellationToken cancellationToken)
    {
        var path = _settings.SubscriptionName(subscription);
        return GetAsync(
            path,
            "subscription",
            options => connection.Subscriber.GetSubscriptionAsync(new GetSubscriptionRequest { Subscription = path }, options).ResponseAsync,
            cancellationToken);
    }

    private async Task<bool> CreateAsync<T>(string path, string kind, Func<CallOptions, Task<T>> create, CancellationToken cancellationToken)
    {
        try
        {
            await CallAsync(path, create, cancellationToken);
            _logger.LogInformation("Created {Kind} {Name} on {Endpoint}", kind, path, _settings.Endpoint);
            return true;
        }
        catch (RpcException error) when (error.StatusCode == StatusCode.AlreadyExists)
        {
            return false;
        }
        catch (RpcException error)
        {
            throw Failed($"Making {kind}", path, error, kind == "subscription" ? "topic" : "project");
        }
    }

    private async Task<T?> GetAsync<T>(string path, string kind, Func<CallOptions, Task<T>> get, CancellationToken cancellationToken)
        where T : class
    {
        try
        {
            return await CallAsync(path, get, cancellationToken);
        }
        catch (RpcException error) when (error.StatusCode == StatusCode.NotFound)
        {
            return null;
        }
        catch (RpcException error)
        {
            throw Failed($"Looking up {kind}", path, error, kind);
        }
    }

    /// <summary>Sends a request, and again while it may succeed later.</summary>
    internal Task<T> CallAsync<T>(string path, Func<CallOptions, Task<T>> call, CancellationToken cancellationToken) =>
        Retry.UntilDoneAsync(
            _settings.Retry,
            connection.Time,
            ct => call(new CallOptions(deadline: connection.Time.GetUtcNow().UtcDateTime + _settings.Connection.RequestTimeout, cancellationToken: ct)),
            (error, failures, delay) =>
            {
                if (Retry.IsWorthAWarning(failures))
                {
                    _logger.LogWarning(
                        "The request about {Name} on {Endpoint} failed with {Status} ({Detail}), try {Try}, again in {Delay}",
                        path,
                        _settings.Endpoint,
                        error.StatusCode,
                        error.Status.Detail,
                        failures,
                        delay);
                }
            },
            cancellationToken);

    private PubSubAdminException Failed(string doing, string path, RpcException error, string what) =>
        new($"{doing} {path} on {_settings.Endpoint} failed with {PubSubErrors.Explain(error, what, connection.Account)}", error);
}

/// <summary>What a subscription is.</summary>
/// <param name="Name">Its full name.</param>
/// <param name="Topic">The full name of its topic.</param>
/// <param name="AckDeadline">Its ack deadline.</param>
/// <param name="ExactlyOnce">Whether acks are confirmed.</param>
public sealed record SubscriptionDescription(string Name, string Topic, TimeSpan AckDeadline, bool ExactlyOnce);

/// <summary>
/// What a subscription of the embedded broker has not acked, at one instant. All times are microseconds since the Unix epoch
/// on the clock of the broker, which also sets the publish times.
/// </summary>
/// <param name="UnackedMessages">
/// Messages that are published and not acked, leased ones included. Messages that the subscription's filter rejects are not
/// counted.
/// </param>
/// <param name="OldestUnackedPublishTimeMicros">Publish time of the oldest of them; 0 when there are none.</param>
/// <param name="LeasedMessages">How many of them are leased to readers.</param>
/// <param name="LatestLeaseExpiryMicros">When the last of these leases expires unless it is extended; 0 when there are none.</param>
/// <param name="NowMicros">When this was determined. Every message published later has a later publish time.</param>
public readonly record struct BrokerSubscriptionStatus(
    long UnackedMessages, long OldestUnackedPublishTimeMicros, long LeasedMessages, long LatestLeaseExpiryMicros, long NowMicros)
{
    /// <summary>Clients that have streams open on the subscription.</summary>
    public int Readers { get; init; }
}

/// <summary>A topic or subscription that cannot be made or looked up, however often it is tried.</summary>
/// <param name="message">What was being done, with which name, on which endpoint, the status, and what to do next.</param>
/// <param name="innerException">What the client caught.</param>
public sealed class PubSubAdminException(string message, Exception? innerException = null) : Exception(message, innerException);
