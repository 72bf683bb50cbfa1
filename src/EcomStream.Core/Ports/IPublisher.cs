namespace EcomStream.Core;

/// <summary>Publishes messages to topics, many per call.</summary>
public interface IPublisher : IAsyncDisposable
{
    /// <summary>
    /// Publishes a batch to one topic, in order. When it returns, the broker has every message. Retryable errors are
    /// retried with backoff inside until <paramref name="cancellationToken"/> is cancelled.
    /// </summary>
    /// <param name="topic">The topic's name, as configured.</param>
    /// <param name="messages">Any number of messages; the adapter splits them at the service's limits.</param>
    /// <param name="cancellationToken">Ends the retries.</param>
    /// <returns>The message ids, in the order of <paramref name="messages"/>.</returns>
    /// <exception cref="PublishFailedException">The topic does not exist, or the broker will never take a message.</exception>
    /// <exception cref="PublishCanceledException">It was cancelled after the broker had accepted some of the messages.</exception>
    Task<IReadOnlyList<string>> PublishAsync(string topic, IReadOnlyList<OutgoingMessage> messages, CancellationToken cancellationToken);
}
