namespace EcomStream.Core;

/// <summary>A message that concerns one order, on its way from its subscription to that order's actor.</summary>
public abstract class OrderMessage
{
    private protected OrderMessage(Stamp stamp, Delivery delivery)
    {
        Stamp = stamp;
        Delivery = delivery;
        Replay = DeadLetter.ReplayOf(delivery.Attributes);
    }

    /// <summary>The order that it concerns.</summary>
    public abstract long OrderId { get; }

    /// <summary>When it was published.</summary>
    public Stamp Stamp { get; }

    /// <summary>What settles it.</summary>
    public Delivery Delivery { get; }

    /// <summary>The dead letter that it is a replay of; null for an ordinary message.</summary>
    public Replay? Replay { get; }
}

/// <summary>An order message was received and decoded.</summary>
public sealed class OrderReceived(Order order, Stamp stamp, Delivery delivery) : OrderMessage(stamp, delivery)
{
    /// <summary>What it says.</summary>
    public Order Order { get; } = order;

    /// <inheritdoc/>
    public override long OrderId => Order.OrderId;
}

/// <summary>A payment message was received and decoded, or read back from its unmatched row.</summary>
public sealed class PaymentReceived(Payment payment, Stamp stamp, Delivery delivery) : OrderMessage(stamp, delivery)
{
    /// <summary>What it says.</summary>
    public Payment Payment { get; } = payment;

    /// <inheritdoc/>
    public override long OrderId => Payment.OrderId;
}
