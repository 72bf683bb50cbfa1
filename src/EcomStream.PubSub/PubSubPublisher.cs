using EcomStream.Core;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub;

/// <summary>Publishes over gRPC: requests within the service's limits, one after the other, retried with backoff.</summary>
/// <param name="connection">The connection; it is not disposed with the publisher.</param>
public sealed class PubSubPublisher(PubSubConnection connection) : IPublisher
{
    private readonly ILogger _logger = connection.Loggers.CreateLogger<PubSubPublisher>();

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> PublishAsync(
        string topic, IReadOnlyList<OutgoingMessage> messages, CancellationToken cancellationToken)
    {
        var name = connection.Settings.TopicName(topic);
        var ids = new List<string>(messages.Count);
        for (var next = 0; next < messages.Count;)
        {
            var request = new PublishRequest { Topic = name };
            next = Fill(request, messages, next);
            ids.AddRange(await Publish(request, cancellationToken));
            PubSubMetrics.Published(topic, request.Messages.Count);
        }

        return ids;
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private int Fill(PublishRequest request, IReadOnlyList<OutgoingMessage> messages, int next)
    {
        long bytes = 0;
        while (next < messages.Count && request.Messages.Count < connection.Settings.PublishMessages)
        {
            var message = new PubsubMessage
            {
                Data = UnsafeByteOperations.UnsafeWrap(messages[next].Data),
                OrderingKey = messages[next].OrderingKey,
            };
            foreach (var (key, value) in messages[next].Attributes)
            {
                message.Attributes.Add(key, value);
            }

            bytes += message.CalculateSize();
            if (bytes > connection.Settings.PublishBytes && request.Messages.Count > 0)
            {
                break;
            }

            request.Messages.Add(message);
            next++;
        }

        return next;
    }

    private async Task<IReadOnlyList<string>> Publish(PublishRequest request, CancellationToken cancellationToken)
    {
        try
        {
            var response = await Retry.UntilDone(
                connection,
                async ct => await connection.Publisher.PublishAsync(request, cancellationToken: ct),
                (error, failures, delay) =>
                {
                    if (failures is 1 || failures % 10 == 0)
                    {
                        _logger.LogWarning(
                            "{Topic}: publishing {Count} messages failed with {Status} ({Detail}), failure {Failures} in a row; next try in {Delay}",
                            request.Topic, request.Messages.Count, error.StatusCode, error.Status.Detail, failures, delay);
                    }
                },
                cancellationToken);
            return response.MessageIds;
        }
        catch (RpcException refused)
        {
            throw new PublishFailedException(
                $"{request.Messages.Count} messages cannot be published to {request.Topic} on {connection.Settings.EmulatorHost}: "
                + $"{refused.StatusCode}, {refused.Status.Detail}", refused);
        }
    }
}
