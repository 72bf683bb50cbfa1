using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>
/// The messages of one ordering key, or all those without, in a <see cref="BatchingPublisher"/>, which guards it by its lock.
/// </summary>
/// <param name="key">The ordering key; empty for none.</param>
internal sealed class PublishLane(string key)
{
    public string Key { get; } = key;

    /// <summary>The batch that takes messages; null without any.</summary>
    public PublishBatch? Open { get; set; }

    /// <summary>How many batches have been closed.</summary>
    public long Closed { get; set; }

    /// <summary>Completes when the batch that was closed last is over.</summary>
    public Task Last { get; set; } = Task.CompletedTask;

    /// <summary>Set until the key is resumed.</summary>
    public PublishFailedException? Failure { get; set; }

    /// <summary>Why batches of earlier rounds fail.</summary>
    public PublishFailedException? LastFailure { get; set; }

    /// <summary>How often the key has failed.</summary>
    public int Round { get; set; }

    /// <summary>Whether nothing would be lost without it.</summary>
    public bool IsIdle => Open is null && Last.IsCompleted && Failure is null;
}

/// <summary>Messages that go in one call; guarded by the lock of the publisher.</summary>
/// <param name="takenAt">When the first one was taken, a timestamp of the <see cref="TimeProvider"/>.</param>
internal sealed class PublishBatch(long takenAt)
{
    public List<PendingPublish> Messages { get; } = [];

    public long Bytes { get; set; }

    /// <summary>When the first one was taken, a timestamp of the <see cref="TimeProvider"/>.</summary>
    public long TakenAt { get; } = takenAt;

    /// <summary>Whether its call has begun: messages are not taken out any more.</summary>
    public bool IsSent { get; set; }
}

/// <summary>A message that a <see cref="BatchingPublisher"/> was given.</summary>
/// <param name="message">The message.</param>
internal sealed class PendingPublish(OutgoingMessage message)
{
    public OutgoingMessage Message { get; } = message;

    /// <summary>About its bytes in a request.</summary>
    public long Bytes { get; } = RequestSplit.Size(message);

    /// <summary>The message's id.</summary>
    public TaskCompletionSource<string> Id { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    /// <summary>The batch that it is in; null while there is no room for it.</summary>
    public PublishBatch? Batch { get; set; }

    /// <summary>Its place among those that wait for room; null without waiting.</summary>
    public LinkedListNode<PendingPublish>? Waiting { get; set; }

    /// <summary>Completes when there was room for it.</summary>
    public TaskCompletionSource Taken { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}
