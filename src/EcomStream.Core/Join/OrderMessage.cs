namespace EcomStream.Core;

/// <summary>A message that concerns one order.</summary>
public interface IOrderMessage
{
    /// <summary>The order that it concerns.</summary>
    long OrderId { get; }
}

/// <summary>A message that concerns one order, on its way from its subscription to that order's actor.</summary>
public abstract class OrderMessage : IOrderMessage
{
    private protected OrderMessage(Stamp stamp, Delivery delivery)
    {
        Stamp = stamp;
        Delivery = delivery;
        Replay = DeadLetter.ReplayOf(delivery.Attributes);
        HasTrace = delivery.Trace is not null;
    }

    /// <summary>The order that it concerns.</summary>
    public abstract long OrderId { get; }

    /// <summary>When it was published.</summary>
    public Stamp Stamp { get; }

    /// <summary>What settles it.</summary>
    public Delivery Delivery { get; }

    /// <summary>The dead letter that it is a replay of; null for an ordinary message.</summary>
    public Replay? Replay { get; }

    /// <summary>Whether its delivery has a span.</summary>
    public bool HasTrace { get; }
}

/// <summary>An order message was received and decoded.</summary>
public sealed class OrderReceived(Order order, Stamp stamp, Delivery delivery) : OrderMessage(stamp, delivery)
{
    /// <summary>The order.</summary>
    public Order Order { get; } = order;

    /// <inheritdoc/>
    public override long OrderId => Order.OrderId;
}

/// <summary>A payment message was received and decoded, or read back from its unmatched row.</summary>
/// <param name="payment">The payment.</param>
/// <param name="stamp">The message's stamp.</param>
/// <param name="delivery">What settles the message.</param>
/// <param name="key">The payment's key where it is known from a row; otherwise it follows from the payment or the message.</param>
public sealed class PaymentReceived(Payment payment, Stamp stamp, Delivery delivery, string? key = null) : OrderMessage(stamp, delivery)
{
    /// <summary>The first character of the key of a payment without an id.</summary>
    public const string MessagePrefix = "@";

    private string? _key = key;

    /// <summary>The payment.</summary>
    public Payment Payment { get; } = payment;

    /// <summary>
    /// What identifies the payment among those of its order: <see cref="Payment.Key"/>, or "@" and the message id when
    /// the publisher sent no id, so that each such message is a payment of its own.
    /// </summary>
    public string Key => _key ??= Payment.Key ?? MessagePrefix + Delivery.MessageId;

    /// <summary>
    /// Whether it was rebuilt from the columns of a facts row, because its message is no longer in memory. Its id is
    /// then unknown when it is not a 64-bit integer.
    /// </summary>
    public bool IsRebuilt { get; init; }

    /// <inheritdoc/>
    public override long OrderId => Payment.OrderId;
}
