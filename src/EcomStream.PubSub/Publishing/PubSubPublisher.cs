using EcomStream.Core;
using Google.Cloud.PubSub.V1;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub;

/// <summary>
/// Publishes to Pub/Sub. One call's messages keep their order: its requests go one after the other, each tried again
/// until it succeeds. Calls of different callers go side by side.
/// </summary>
public sealed class PubSubPublisher : IPublisher
{
    // How gRPC's client is told to compress one call's requests.
    private static readonly Metadata _compressed = new() { { "grpc-internal-encoding-request", "gzip" } };

    private readonly PubSubConnection _connection;
    private readonly PubSubSettings _settings;
    private readonly ILogger _logger;

    /// <summary>Makes a publisher; nothing is sent before it is used.</summary>
    /// <param name="connection">The connection; it is not disposed with the publisher.</param>
    public PubSubPublisher(PubSubConnection connection)
    {
        _connection = connection;
        _settings = connection.Settings;
        _logger = connection.Loggers.CreateLogger<PubSubPublisher>();
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> PublishAsync(
        string topic, IReadOnlyList<OutgoingMessage> messages, CancellationToken cancellationToken)
    {
        var path = _settings.TopicName(topic);
        var ids = new List<string>(messages.Count);
        for (var next = 0; next < messages.Count;)
        {
            var batch = RequestSplit.Next(messages, next, _settings.Publisher);
            next += batch.Length;
            var response = await MessageTracing.PublishAsync(
                topic, batch, () => PublishAsync(new OutgoingBatch(path, batch), ids.Count, cancellationToken), published => published.MessageIds);
            if (response.MessageIds.Count != batch.Length)
            {
                throw new PublishFailedException(
                    $"Publishing {batch.Length} messages to {path} on {_settings.Endpoint} was answered with "
                    + $"{response.MessageIds.Count} message ids. Check that the endpoint is a Pub/Sub server.")
                {
                    Accepted = First(ids.Count),
                    IsUncertain = true,
                };
            }

            ids.AddRange(response.MessageIds);
            PubSubMetrics.Sent.Add(batch.Length, PubSubMetrics.OfTopic(topic));
        }

        return ids;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private CallOptions Options(OutgoingBatch batch, CancellationToken cancellationToken)
    {
        var from = _settings.Publisher.CompressFrom;
        return new CallOptions(
            from > 0 && batch.Bytes >= from ? _compressed : null,
            _connection.Time.GetUtcNow().UtcDateTime + _settings.Publisher.RequestTimeout,
            cancellationToken);
    }

    // Of the call's messages, the first ones are published already.
    private async Task<PublishResponse> PublishAsync(OutgoingBatch batch, int published, CancellationToken cancellationToken)
    {
        var isUncertain = false;
        try
        {
            return await Retry.UntilDoneAsync(
                _settings.Retry,
                _connection.Time,
                async ct => await batch.PublishAsync(_connection.Calls, Options(batch, ct)),
                (error, failures, delay) =>
                {
                    isUncertain = true;
                    if (Retry.IsWorthAWarning(failures))
                    {
                        _logger.LogWarning(
                            "Publishing {Count} messages to {Topic} on {Endpoint} failed with {Status} ({Detail}), try {Try}, again in {Delay}",
                            batch.Messages.Count,
                            batch.Topic,
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
            throw PubSubErrors.Publishing(batch.Messages.Count, batch.Topic, _connection, error, First(published), isUncertain);
        }
        catch (OperationCanceledException cancelled) when (published > 0)
        {
            throw new PublishCanceledException(First(published), cancelled);
        }
    }

    // The indexes of the messages that were published by earlier requests of a call.
    private static int[] First(int published) => [.. Enumerable.Range(0, published)];
}
