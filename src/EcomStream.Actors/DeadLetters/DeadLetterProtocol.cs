using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>A dead letter that is to be published.</summary>
/// <param name="Topic">Its topic.</param>
/// <param name="Reason">Why.</param>
/// <param name="Message">The message.</param>
internal sealed record PendingDeadLetter(string Topic, DeadLetterReason Reason, OutgoingMessage Message);

/// <summary>Publish dead letters to one topic: to the <see cref="DeadLetterSink"/>.</summary>
/// <param name="Topic">The topic.</param>
/// <param name="DeadLetters">The dead letters.</param>
/// <param name="Correlation">Comes back in <see cref="DeadLettersPublished"/>.</param>
internal sealed record PublishDeadLetters(string Topic, IReadOnlyList<PendingDeadLetter> DeadLetters, long Correlation)
    : INoSerializationVerificationNeeded;

/// <summary>The answer to <see cref="PublishDeadLetters"/>.</summary>
/// <param name="Correlation">That of the request.</param>
/// <param name="NotPublished">The ids of the dead letters that were not published, and why; they are to be kept in their rows only.</param>
internal sealed record DeadLettersPublished(long Correlation, IReadOnlyList<(string Id, string Why)> NotPublished)
    : INoSerializationVerificationNeeded;

/// <summary>The pipeline drains: give up requests to topics that do not accept dead letters.</summary>
internal sealed class DrainDeadLetters : INoSerializationVerificationNeeded
{
    public static readonly DrainDeadLetters Instance = new();
}

/// <summary>The pipeline drains and the topic does not accept dead letters: the request is given up, and nothing of it may be settled.</summary>
internal sealed record DeadLettersAbandoned(long Correlation) : INoSerializationVerificationNeeded;
