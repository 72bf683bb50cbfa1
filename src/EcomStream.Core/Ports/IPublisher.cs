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

/// <summary>What a publish failed on for good.</summary>
public enum PublishFault
{
    /// <summary>The topic: it does not exist, or may not be published to. Other messages to it fail as well.</summary>
    Destination,

    /// <summary>One of the messages: the service will never accept it. Other messages may be accepted.</summary>
    Message,
}

/// <summary>A publish that does not succeed by trying again.</summary>
/// <param name="message">Which topic, on which endpoint, the status, and what to do next.</param>
/// <param name="innerException">What the adapter caught.</param>
/// <param name="fault">What is at fault.</param>
public sealed class PublishFailedException(string message, Exception? innerException = null, PublishFault fault = PublishFault.Destination)
    : Exception(message, innerException)
{
    /// <summary>What is at fault.</summary>
    public PublishFault Fault { get; } = fault;
}
