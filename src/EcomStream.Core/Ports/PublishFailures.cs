namespace EcomStream.Core;

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

    /// <summary>
    /// The indexes of the messages that the broker accepted before: an adapter may send the messages of one call in several
    /// requests.
    /// </summary>
    public IReadOnlyList<int> Accepted { get; init; } = [];

    /// <summary>
    /// Whether an earlier attempt of the request ended without an answer, so that messages which are not among
    /// <see cref="Accepted"/> may have been published.
    /// </summary>
    public bool IsUncertain { get; init; }
}

/// <summary>A publish that was cancelled after the broker had accepted some of its messages.</summary>
/// <param name="accepted">The indexes of the messages that the broker accepted; the others may have been published or not.</param>
/// <param name="cancelled">What the adapter caught.</param>
public sealed class PublishCanceledException(IReadOnlyList<int> accepted, OperationCanceledException cancelled)
    : OperationCanceledException(cancelled.Message, cancelled.InnerException, cancelled.CancellationToken)
{
    /// <summary>The indexes of the messages that the broker accepted; the others may have been published or not.</summary>
    public IReadOnlyList<int> Accepted { get; } = accepted;
}
