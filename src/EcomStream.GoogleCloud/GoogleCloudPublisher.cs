extern alias official;

using System.Collections.Concurrent;
using EcomStream.Core;
using EcomStream.PubSub;
using Google.Api.Gax;
using Google.Api.Gax.Grpc;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Logging;
using official::Google.Cloud.PubSub.V1;

namespace EcomStream.GoogleCloud;

/// <summary>
/// Publishes over Google's PublisherClient, one for each topic. The messages of one call go in requests one after the
/// other; messages of different callers may share a request. The client has no flow control, so what is published and not
/// confirmed is bounded here.
/// </summary>
public sealed class GoogleCloudPublisher : IPublisher
{
    // The client sends as many requests of a topic at the same time.
    private const int RequestsAtOnce = 8;

    // The client does not accept a delay of 0.
    private static readonly TimeSpan _leastDelay = TimeSpan.FromMilliseconds(1);

    private readonly PubSubConnection _connection;
    private readonly PubSubSettings _settings;
    private readonly ILogger _logger;
    private readonly PublishRoom _room;
    private readonly ConcurrentDictionary<string, Lazy<PublisherClientImpl>> _clients = new();

    /// <summary>Makes a publisher; nothing is sent before it is used.</summary>
    /// <param name="connection">The connection; it is not disposed with the publisher.</param>
    public GoogleCloudPublisher(PubSubConnection connection)
    {
        _connection = connection;
        _settings = connection.Settings;
        _logger = connection.Loggers.CreateLogger<GoogleCloudPublisher>();
        _room = new PublishRoom(_settings.Publisher.MaxOutstandingMessages, _settings.Publisher.MaxOutstandingBytes);
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> PublishAsync(
        string topic, IReadOnlyList<OutgoingMessage> messages, CancellationToken cancellationToken)
    {
        var path = _settings.TopicName(topic);
        var client = _clients.GetOrAdd(path, name => new Lazy<PublisherClientImpl>(() => Open(name))).Value;
        var ids = new List<string>(messages.Count);
        for (var next = 0; next < messages.Count;)
        {
            var batch = RequestSplit.Next(messages, next, _settings.Publisher);
            next += batch.Length;
            var bytes = batch.Sum(RequestSplit.Size);
            await TakeRoomAsync(batch.Length, bytes, ids.Count, cancellationToken);
            try
            {
                ids.AddRange(await MessageTracing.PublishAsync(
                    topic, batch, () => PublishAsync(client, batch, ids.Count, cancellationToken), published => published));
            }
            finally
            {
                _room.Return(batch.Length, bytes);
            }

            PubSubMetrics.Sent.Add(batch.Length, PubSubMetrics.OfTopic(topic));
        }

        return ids;
    }

    /// <summary>Sends what is on its way, for at most close-timeout.</summary>
    public async ValueTask DisposeAsync()
    {
        foreach (var client in _clients.Values.Where(client => client.IsValueCreated))
        {
            await client.Value.ShutdownAsync(_settings.Subscriber.CloseTimeout).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    private PublisherClientImpl Open(string path)
    {
        var publisher = _settings.Publisher;
        var settings = new PublisherServiceApiSettings
        {
            // Errors are repeated here, with the backoff of the settings, until the caller cancels.
            PublishSettings = CallSettings.FromExpiration(Expiration.FromTimeout(publisher.RequestTimeout)),
        };
        return new PublisherClientImpl(
            TopicName.Parse(path),
            [.. Enumerable.Range(0, RequestsAtOnce).Select(_ => new PublisherServiceApiClientBuilder { CallInvoker = _connection.Calls, Settings = settings }.Build())],
            new PublisherClient.Settings
            {
                BatchingSettings = new BatchingSettings(
                    publisher.BatchMessages, publisher.BatchBytes, publisher.BatchDelay > _leastDelay ? publisher.BatchDelay : _leastDelay),
                EnableMessageOrdering = true,
                EnableCompression = publisher.CompressFrom > 0,
                CompressionBytesThreshold = publisher.CompressFrom,
            },
            shutdown: null);
    }

    private async Task TakeRoomAsync(int messages, long bytes, int published, CancellationToken cancellationToken)
    {
        try
        {
            await _room.TakeAsync(messages, bytes, cancellationToken);
        }
        catch (OperationCanceledException cancelled) when (published > 0)
        {
            throw new PublishCanceledException(Accepted(published, []), cancelled);
        }
    }

    // Of the call's messages, the first ones are published already.
    private async Task<string[]> PublishAsync(
        PublisherClientImpl client, OutgoingMessage[] messages, int published, CancellationToken cancellationToken)
    {
        var ids = new string?[messages.Length];
        var isUncertain = false;
        try
        {
            await Retry.UntilDoneAsync(
                _settings.Retry,
                _connection.Time,
                async stop =>
                {
                    await PublishMissingAsync(client, messages, ids, stop);
                    return true;
                },
                (error, failures, delay) =>
                {
                    isUncertain = true;
                    if (Retry.IsWorthAWarning(failures))
                    {
                        _logger.LogWarning(
                            "Publishing {Count} messages to {Topic} on {Endpoint} failed with {Status} ({Detail}), try {Try}, again in {Delay}",
                            messages.Length,
                            client.TopicName,
                            _settings.Endpoint,
                            error.StatusCode,
                            error.Status.Detail,
                            failures,
                            delay);
                    }
                },
                cancellationToken);
        }
        catch (RpcException error)
        {
            throw PubSubErrors.Publishing(
                messages.Length, client.TopicName.ToString(), _connection, error, Accepted(published, ids), isUncertain);
        }
        catch (OperationCanceledException cancelled)
        {
            throw new PublishCanceledException(Accepted(published, ids), cancelled);
        }

        return ids!;
    }

    // The indexes of the call's messages that are published: those of earlier requests, and those with an id.
    private static int[] Accepted(int published, string?[] ids) =>
        [.. Enumerable.Range(0, published), .. Enumerable.Range(0, ids.Length).Where(i => ids[i] is not null).Select(i => published + i)];

    // The messages that have no id yet. Some of them may be in the requests of other callers, which fail by themselves.
    private static async Task PublishMissingAsync(PublisherClientImpl client, OutgoingMessage[] messages, string?[] ids, CancellationToken stop)
    {
        var key = messages[0].OrderingKey;
        if (key.Length > 0)
        {
            // After an error the client refuses the key until it is told to resume.
            client.ResumePublish(key);
        }

        await Task.WhenAll(messages.Select(async (message, i) =>
        {
            if (ids[i] is null)
            {
                ids[i] = await client.PublishAsync(ToMessage(message));
            }
        })).WaitAsync(stop);
    }

    private static PubsubMessage ToMessage(OutgoingMessage message)
    {
        var published = new PubsubMessage { Data = UnsafeByteOperations.UnsafeWrap(message.Data), OrderingKey = message.OrderingKey };
        foreach (var (name, value) in message.Attributes)
        {
            published.Attributes.Add(name, value);
        }

        return published;
    }
}
