namespace EcomStream.Actors;

/// <summary>What is under way and pending for one order in its writer.</summary>
internal sealed class OrderWork(long orderId)
{
    public long OrderId { get; } = orderId;

    /// <summary>What is written next.</summary>
    public PendingWrite? Pending { get; set; }

    /// <summary>What is being written.</summary>
    public PendingWrite? Current { get; set; }

    /// <summary>Whether it is being read.</summary>
    public bool Reading { get; set; }

    /// <summary>Who waits for a read.</summary>
    public List<LoadOrder>? Readers { get; set; }

    /// <summary>The payment messages that were merged with an order write which is now tried on its own; null for none.</summary>
    public PendingWrite? PaymentPart { get; set; }

    public bool InFlight => Current is not null || Reading;
}
