using System.Globalization;

namespace EcomStream.Core;

/// <summary>What became of a payment that had no order.</summary>
public enum UnmatchedState
{
    /// <summary>It waits for its order; its message is acked.</summary>
    Waiting = 0,

    /// <summary>It was published to the dead-letter topic.</summary>
    DeadLettered = 1,

    /// <summary>Its order came and the fact was joined.</summary>
    Healed = 2,

    /// <summary>An operator gave it up.</summary>
    Discarded = 3,
}

/// <summary>
/// One row of <c>unmatched_payments</c>: a payment that waits for its order or was dead-lettered, or a message that
/// could not be joined at all (<see cref="IsMessage"/>).
/// </summary>
public sealed record UnmatchedPayment
{
    /// <summary>
    /// The order that the payment names. Of a message, which may name none, a negative number made from its id, so
    /// that the row is found by the id and such rows are spread.
    /// </summary>
    public required long OrderId { get; init; }

    /// <summary><see cref="Payment.Key"/>, or of a message its dead-letter id: with the order id, the key of the row.</summary>
    public required string PaymentKey { get; init; }

    /// <summary>The message's data as received, unchanged.</summary>
    public required ReadOnlyMemory<byte> Data { get; init; }

    /// <summary>The message's attributes as received, as <see cref="MessageAttributes.ToJson"/> writes them.</summary>
    public string AttributesJson { get; init; } = MessageAttributes.None;

    /// <summary>Publish time of its message, microseconds since the Unix epoch.</summary>
    public required long PublishTimeMicros { get; init; }

    /// <summary>Id of its message.</summary>
    public required string MessageId { get; init; }

    /// <summary>The subscription it came from, as configured.</summary>
    public required string Subscription { get; init; }

    /// <summary>Why it is here.</summary>
    public required DeadLetterReason Reason { get; init; }

    /// <summary>What became of it.</summary>
    public required UnmatchedState State { get; init; }

    /// <summary>When the row was first written, microseconds since the Unix epoch.</summary>
    public required long SinceMicros { get; init; }

    /// <summary>When <see cref="State"/> last changed, microseconds since the Unix epoch.</summary>
    public required long ChangedMicros { get; init; }

    /// <summary>What a human should know about it.</summary>
    public string Detail { get; init; } = "";

    /// <summary>How often an operator has replayed it.</summary>
    public int Replays { get; init; }

    /// <summary>What happened to it, a line each; see <see cref="UnmatchedHistory"/>.</summary>
    public string History { get; init; } = "";

    /// <summary>The stamp of its message.</summary>
    public Stamp Stamp => Stamp.Of(PublishTimeMicros, MessageId);

    /// <summary>Whether an order that arrives now is to take this payment.</summary>
    public bool IsHealable => State.IsHealable(Reason);

    /// <summary>
    /// Whether it is a payment without an order that has not been joined: an order would heal it, or an operator has discarded it.
    /// </summary>
    public bool IsUnjoined => State.IsUnjoined(Reason);

    /// <summary>Whether it is a message that is no payment of a known order: malformed, or rejected by the store.</summary>
    public bool IsMessage => DeadLetterId.NamesMessage(PaymentKey);

    /// <summary>
    /// The id that every copy of its dead letter carries, so that a reader can drop duplicates.
    /// </summary>
    public string Id => IsMessage ? PaymentKey : DeadLetterId.OfPayment(OrderId, PaymentKey);

    /// <summary>Whether another row has the same key and the same values in all columns, compared byte by byte.</summary>
    public bool HasSameContent(UnmatchedPayment other) =>
        Data.Span.SequenceEqual(other.Data.Span) && (this with { Data = default }) == (other with { Data = default });

    /// <summary>
    /// Builds the message that gives this dead letter back to the topic that it came from: data and attributes as they
    /// were, and which dead letter it is.
    /// </summary>
    public OutgoingMessage ToReplay() => new(
        Data,
        new Dictionary<string, string>(MessageAttributes.Of(AttributesJson))
        {
            [DeadLetter.Id] = Id,
            [DeadLetter.Replays] = Replays.ToString(CultureInfo.InvariantCulture),
        },
        MessageAttributes.OrderingKeyOf(AttributesJson));

    /// <summary>The row after something happened to it.</summary>
    /// <param name="state">What became of it.</param>
    /// <param name="atMicros">When, microseconds since the Unix epoch.</param>
    /// <param name="note">What a human should know about that.</param>
    public UnmatchedPayment Become(UnmatchedState state, long atMicros, string note = "") => this with
    {
        State = state,
        ChangedMicros = atMicros,
        History = UnmatchedHistory.Append(History, atMicros, state, note),
    };
}
