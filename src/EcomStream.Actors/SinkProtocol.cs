using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>What the <see cref="DeadLetterSink"/> does; each is durable before its messages are settled.</summary>
internal abstract record SinkCommand;

/// <summary>Write rows for payments that wait: from an order, by way of its supervisor.</summary>
internal sealed record ParkPayments(IReadOnlyList<PaymentReceived> Payments, IActorRef ReplyTo) : SinkCommand;

/// <summary>Publish payments to their dead-letter topic: from an order, by way of its supervisor.</summary>
internal sealed record DeadLetterPayments(IReadOnlyList<DeadLetterPayment> Payments, IActorRef ReplyTo) : SinkCommand;

/// <summary>The rows of these payments are healed: from a writer, when their fact is durable.</summary>
internal sealed record HealPayments(IReadOnlyList<PaymentReceived> Payments) : SinkCommand;

/// <summary>What these replayed messages caused is durable: from a writer.</summary>
internal sealed record HealReplayed(IReadOnlyList<OrderMessage> Messages) : SinkCommand;

/// <summary>What the index says of these orders may no longer be so: from the sweeper.</summary>
internal sealed record RefreshIndex(IReadOnlyList<long> OrderIds) : SinkCommand;

/// <summary>
/// Publish a message as it came to a dead-letter topic, and write its row: malformed, or rejected by the store. Without
/// a topic, because it comes from there, only its row is written.
/// </summary>
internal sealed record DeadLetterMessage(
    Delivery Delivery, string? Topic, DeadLetterReason Reason, string Detail, long? OrderId, long? PaymentId) : SinkCommand
{
    /// <summary>The dead letter that it is a replay of; null for an ordinary message.</summary>
    public Replay? Replay { get; } = DeadLetter.ReplayOf(Delivery.Attributes);

    /// <summary>Id of the dead letter: that of the one that it is a replay of, where that was a message too.</summary>
    public string RowId => Replay is { } replay && DeadLetterId.NamesMessage(replay.Id)
        ? replay.Id
        : DeadLetterId.OfMessage(Delivery.Subscription, Delivery.MessageId);
}

/// <summary>Asks for <see cref="SinkDrained"/> once every command before it has been carried out.</summary>
internal sealed class DrainSink
{
    public static readonly DrainSink Instance = new();

    private DrainSink()
    {
    }
}

/// <summary>The answer to <see cref="DrainSink"/>.</summary>
internal sealed class SinkDrained
{
    public static readonly SinkDrained Instance = new();

    private SinkDrained()
    {
    }
}

/// <summary>The answer to <see cref="ParkPayments"/>.</summary>
internal sealed class PaymentsParked
{
    public static readonly PaymentsParked Instance = new();

    private PaymentsParked()
    {
    }
}

/// <summary>The answer to <see cref="DeadLetterPayments"/>.</summary>
internal sealed class PaymentsDeadLettered
{
    public static readonly PaymentsDeadLettered Instance = new();

    private PaymentsDeadLettered()
    {
    }
}
