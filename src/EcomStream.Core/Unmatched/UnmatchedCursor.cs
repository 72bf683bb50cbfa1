using System.Globalization;

namespace EcomStream.Core;

/// <summary>A place in a listing of unmatched rows, which is by publish time, then order id, then payment key.</summary>
/// <param name="PublishTimeMicros">Publish time of the row, microseconds since the Unix epoch.</param>
/// <param name="OrderId">Its order.</param>
/// <param name="PaymentKey">Its payment key; compared by code point.</param>
public readonly record struct UnmatchedCursor(long PublishTimeMicros, long OrderId, string PaymentKey) : IComparable<UnmatchedCursor>
{
    /// <summary>The place of a row.</summary>
    public static UnmatchedCursor Of(UnmatchedPayment row) => new(row.PublishTimeMicros, row.OrderId, row.PaymentKey);

    /// <summary>Reads what <see cref="ToString"/> wrote.</summary>
    /// <returns>False when it is no cursor.</returns>
    public static bool TryParse(string text, out UnmatchedCursor cursor)
    {
        var parts = text.Split(':', 3);
        if (parts.Length == 3
            && long.TryParse(parts[0], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var publishTime)
            && long.TryParse(parts[1], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var orderId))
        {
            cursor = new UnmatchedCursor(publishTime, orderId, parts[2]);
            return true;
        }

        cursor = default;
        return false;
    }

    /// <inheritdoc/>
    public int CompareTo(UnmatchedCursor other)
    {
        var byTime = PublishTimeMicros.CompareTo(other.PublishTimeMicros);
        var byOrder = byTime != 0 ? byTime : OrderId.CompareTo(other.OrderId);
        return byOrder != 0 ? byOrder : string.CompareOrdinal(PaymentKey, other.PaymentKey);
    }

    /// <summary>The cursor as one word.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{PublishTimeMicros}:{OrderId}:{PaymentKey}");
}
