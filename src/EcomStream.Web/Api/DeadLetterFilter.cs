using System.Globalization;
using EcomStream.Core;

namespace EcomStream.Web;

/// <summary>Which dead letters are meant, as a request says it. Texts that are null or empty do not restrict anything.</summary>
internal sealed record DeadLetterFilter
{
    /// <summary>waiting, dead-lettered, healed or discarded.</summary>
    public string? State { get; init; }

    /// <summary>no-matching-order, superseded, malformed or store-rejected.</summary>
    public string? Reason { get; init; }

    /// <summary>The order.</summary>
    public string? Order { get; init; }

    /// <summary>The earliest publish time, RFC 3339 or a date.</summary>
    public string? From { get; init; }

    /// <summary>The latest publish time, RFC 3339 or a date.</summary>
    public string? Until { get; init; }

    /// <summary>The query that it means.</summary>
    /// <returns>Null, and what is wrong, when a value is invalid.</returns>
    public (UnmatchedQuery? Query, string? Error) ToQuery()
    {
        var query = new UnmatchedQuery();
        if (!string.IsNullOrEmpty(State))
        {
            var states = Enum.GetValues<UnmatchedState>().Where(state => state.ToText() == State).ToList();
            if (states.Count == 0)
            {
                return (null, $"'{State}' is not a state; valid ones are {string.Join(", ", Enum.GetValues<UnmatchedState>().Select(state => state.ToText()))}.");
            }

            query = query with { States = [states[0]] };
        }

        if (!string.IsNullOrEmpty(Reason))
        {
            if (!DeadLetterReasons.TryParse(Reason, out var reason))
            {
                return (null, $"'{Reason}' is not a reason; valid ones are {string.Join(", ", Enum.GetValues<DeadLetterReason>().Select(r => r.ToAttribute()))}.");
            }

            query = query with { Reasons = [reason] };
        }

        if (!string.IsNullOrEmpty(Order))
        {
            if (!long.TryParse(Order, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var order))
            {
                return (null, $"'{Order}' is not the number of an order.");
            }

            query = query with { OrderId = order };
        }

        if (!TryTime(From, long.MinValue, out var from) || !TryTime(Until, long.MaxValue, out var until))
        {
            return (null, "A time must be like 2026-01-31T12:00:00Z.");
        }

        return (query with { PublishedFromMicros = from, PublishedUntilMicros = until }, null);
    }

    private static bool TryTime(string? text, long none, out long micros)
    {
        micros = none;
        if (string.IsNullOrEmpty(text))
        {
            return true;
        }

        if (!DateTimeOffset.TryParse(text, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time))
        {
            return false;
        }

        micros = Timestamps.Micros(time);
        return true;
    }
}
