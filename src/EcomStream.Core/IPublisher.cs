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
    Task<IReadOnlyList<string>> PublishAsync(string topic, IReadOnlyList<OutgoingMessage> messages, CancellationToken cancellationToken);
}

/// <summary>A message to publish.</summary>
/// <param name="Data">The payload. It is not copied: it must not change before the message is published.</param>
/// <param name="Attributes">Its attributes.</param>
/// <param name="OrderingKey">Its ordering key; empty for none.</param>
public sealed record OutgoingMessage(ReadOnlyMemory<byte> Data, IReadOnlyDictionary<string, string> Attributes, string OrderingKey = "");

/// <summary>A publish that will not succeed, however often it is tried.</summary>
/// <param name="message">Which topic, on which endpoint, the status, and what to do next.</param>
/// <param name="innerException">What the adapter caught.</param>
public sealed class PublishFailedException(string message, Exception? innerException = null)
    : Exception(message, innerException);
