namespace EcomStream.Core;

/// <summary>What a shop says of one order. Optional fields that a publisher left out are null.</summary>
public sealed record Order
{
    /// <summary>The key of the join.</summary>
    public required long OrderId { get; init; }

    /// <summary>Who ordered.</summary>
    public long? CustomerId { get; init; }

    /// <summary>What was ordered.</summary>
    public string? Item { get; init; }

    /// <summary>How many of it.</summary>
    public long? Quantity { get; init; }

    /// <summary>The price, in the shop's currency.</summary>
    public double? Price { get; init; }

    /// <summary>Where it goes.</summary>
    public string? ShippingAddress { get; init; }

    /// <summary>Pending, Shipped, Delivered, Cancelled, or whatever else a publisher sends.</summary>
    public string? OrderStatus { get; init; }

    /// <summary>A date as text, such as "2024-01-21", kept as sent.</summary>
    public string? CreationDate { get; init; }
}
