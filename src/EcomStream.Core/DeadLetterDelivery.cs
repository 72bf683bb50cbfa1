namespace EcomStream.Core;

/// <summary>
/// A dead letter that was read back from its subscription: it is what its source message was, and settles the dead
/// letter.
/// </summary>
/// <param name="letter">The dead letter as delivered.</param>
public sealed class DeadLetterDelivery(Delivery letter) : Delivery
{
    /// <inheritdoc/>
    public override ReadOnlyMemory<byte> Data => letter.Data;

    /// <inheritdoc/>
    public override IReadOnlyDictionary<string, string> Attributes => NoAttributes;

    /// <summary>The id of the source message where the dead letter names it, otherwise its own.</summary>
    public override string MessageId { get; } = letter.Attributes.GetValueOrDefault(DeadLetter.SourceMessageId, letter.MessageId);

    /// <summary>The publish time of the source message where the dead letter names it, otherwise its own.</summary>
    public override long PublishTimeMicros { get; } =
        letter.Attributes.TryGetValue(DeadLetter.SourcePublishTime, out var time) && Timestamps.TryParse(time, out var micros)
            ? micros
            : letter.PublishTimeMicros;

    /// <summary>The subscription of the source message where the dead letter names it, otherwise its own.</summary>
    public override string Subscription { get; } = letter.Attributes.GetValueOrDefault(DeadLetter.SourceSubscription, letter.Subscription);

    /// <inheritdoc/>
    public override void Ack() => letter.Ack();

    /// <inheritdoc/>
    public override void Nack() => letter.Nack();
}
