namespace EcomStream.Core;

/// <summary>
/// A dead letter that was read back from its subscription: it stands for its source message, and settling it settles
/// the dead letter.
/// </summary>
/// <param name="deadLetter">The dead letter as delivered.</param>
public sealed class DeadLetterDelivery(Delivery deadLetter) : Delivery
{
    /// <summary>The dead letter as delivered.</summary>
    public Delivery DeadLetter => deadLetter;

    /// <inheritdoc/>
    public override ReadOnlyMemory<byte> Data => deadLetter.Data;

    /// <summary>The attributes of the source message: those of the dead letter without EcomStream's own.</summary>
    public override IReadOnlyDictionary<string, string> Attributes { get; } =
        deadLetter.Attributes.Any(a => !Core.DeadLetter.IsOwn(a.Key))
            ? deadLetter.Attributes.Where(a => !Core.DeadLetter.IsOwn(a.Key)).ToDictionary()
            : NoAttributes;

    /// <summary>The id of the source message where the dead letter names it, otherwise its own.</summary>
    public override string MessageId { get; } = deadLetter.Attributes.GetValueOrDefault(Core.DeadLetter.SourceMessageId, deadLetter.MessageId);

    /// <summary>
    /// The publish time of the source message where the dead letter names one that is not later than its own,
    /// otherwise its own: a source is older than its dead letter, and a time in the future could never be displaced.
    /// </summary>
    public override long PublishTimeMicros { get; } =
        deadLetter.Attributes.TryGetValue(Core.DeadLetter.SourcePublishTime, out var time)
        && Timestamps.TryParse(time, out var micros) && micros <= deadLetter.PublishTimeMicros
            ? micros
            : deadLetter.PublishTimeMicros;

    /// <summary>The subscription of the source message where the dead letter names it, otherwise its own.</summary>
    public override string Subscription { get; } = deadLetter.Attributes.GetValueOrDefault(Core.DeadLetter.SourceSubscription, deadLetter.Subscription);

    /// <inheritdoc/>
    public override void Ack() => deadLetter.Ack();

    /// <inheritdoc/>
    public override Task<AckResult> AckAsync() => deadLetter.AckAsync();

    /// <inheritdoc/>
    public override void Nack() => deadLetter.Nack();
}
