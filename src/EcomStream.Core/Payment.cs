using System.Globalization;

namespace EcomStream.Core;

/// <summary>What a payment provider says of one payment. Optional fields that a publisher left out are null.</summary>
public sealed record Payment
{
    /// <summary><see cref="Key"/> of a payment without an id.</summary>
    public const string NoKey = "none";

    /// <summary>The order that is paid: the key of the join.</summary>
    public required long OrderId { get; init; }

    /// <summary>The payment's own id. Two messages with the same one speak of the same payment.</summary>
    public long? PaymentId { get; init; }

    /// <summary>How it was paid.</summary>
    public string? PaymentMethod { get; init; }

    /// <summary>The last four digits of the card, as text.</summary>
    public string? CardLastFour { get; init; }

    /// <summary>Completed, or whatever else a publisher sends.</summary>
    public string? PaymentStatus { get; init; }

    /// <summary>A time as text, kept as sent: real producers send hours above 23.</summary>
    public string? PaymentDatetime { get; init; }

    /// <summary>
    /// What tells this payment from another one of the same order: the payment id in decimal, or "none" where the
    /// publisher sent no id.
    /// </summary>
    public string Key => PaymentId?.ToString(CultureInfo.InvariantCulture) ?? NoKey;
}
