using EcomStream.Core;

namespace EcomStream.Web;

/// <summary>Something that happened to an order.</summary>
/// <param name="AtMicros">When, microseconds since the Unix epoch.</param>
/// <param name="What">What happened, in a few words.</param>
/// <param name="Detail">More about it; empty for nothing.</param>
/// <param name="MessageId">The message that it concerns; null when it is not kept.</param>
internal sealed record TimelineEntry(long AtMicros, string What, string Detail, string? MessageId);

/// <summary>
/// The life of an order as its rows tell it: the facts row keeps the stamps of its two messages but not their ids, and
/// unmatched rows keep their message and their history.
/// </summary>
internal static class OrderTimeline
{
    /// <summary>The events, oldest first.</summary>
    public static IReadOnlyList<TimelineEntry> Of(OrderFact? fact, IReadOnlyList<UnmatchedPayment> unmatched)
    {
        var entries = new List<TimelineEntry>();
        if (fact is { Order: { } order })
        {
            entries.Add(new TimelineEntry(fact.OrderStamp.Micros, "order published", $"It set the order columns{(order.OrderStatus is { } status ? $"; status {status}" : "")}.", null));
        }

        if (fact is { Payment: { } payment })
        {
            entries.Add(new TimelineEntry(
                fact.PaymentStamp.Micros, "payment published", $"Payment {payment.Key ?? "without an id"} set the payment columns.",
                unmatched.FirstOrDefault(row => row.Stamp == fact.PaymentStamp)?.MessageId));
        }

        foreach (var row in unmatched)
        {
            if (row.Stamp != fact?.PaymentStamp)
            {
                entries.Add(new TimelineEntry(row.PublishTimeMicros, "payment published", $"Payment {row.PaymentKey}, received from {row.Subscription}.", row.MessageId));
            }

            foreach (var line in UnmatchedHistory.Lines(row.History))
            {
                var parts = line.Split(' ', 3);
                if (parts.Length >= 2 && Timestamps.TryParse(parts[0], out var at))
                {
                    entries.Add(new TimelineEntry(at, $"payment {parts[1]}", $"{row.PaymentKey}{(parts.Length > 2 ? $": {parts[2]}" : "")}", row.MessageId));
                }
            }
        }

        return [.. entries.OrderBy(entry => entry.AtMicros)];
    }
}
