using System.Globalization;
using System.Text.Json;

namespace EcomStream.Chaos.Checking;

/// <summary>What the rows of one order must be when everything that was published has been processed.</summary>
internal static class RowCheck
{
    public delegate bool HasDeadLetter(long orderId, long paymentId, string reason);

    public static IEnumerable<string> Differences(long id, PublishedOrder order, FactRow? row, IReadOnlyList<UnmatchedRow> unmatched, HasDeadLetter hasDeadLetter)
    {
        if (order.Order is not { } newest)
        {
            return WithoutOrder(id, order, row, unmatched, hasDeadLetter);
        }

        return row is null
            ? [$"order {id} has no row"]
            : [
                .. Columns(id, row, newest.Data, 0, IRowReader.OrderColumns, "order"),
                .. Columns(id, row, order.NewestPayment is { } winner ? order.Payments[winner].Data : null, IRowReader.OrderColumns, IRowReader.FactColumns.Length, "payment"),
                .. NotSuperseded(id, order, unmatched, hasDeadLetter),
                .. unmatched
                    .Where(one => one.State == "waiting" || one is { State: "dead-lettered", Reason: "no-matching-order" })
                    .Select(one => $"order {id} exists, and its payment {one.PaymentKey} is {one.State} for {one.Reason}"),
            ];
    }

    private static IEnumerable<string> WithoutOrder(long id, PublishedOrder order, FactRow? row, IReadOnlyList<UnmatchedRow> unmatched, HasDeadLetter hasDeadLetter)
    {
        if (row is not null)
        {
            yield return $"order {id} was not published and has a row";
        }

        foreach (var payment in order.Payments.Keys)
        {
            if (!hasDeadLetter(id, payment, "no-matching-order"))
            {
                yield return $"payment {payment} of order {id} has no order and no dead letter";
            }

            if (unmatched.FirstOrDefault(one => one.PaymentKey == Text(payment)) is not { State: "dead-lettered", Reason: "no-matching-order" } kept)
            {
                yield return $"payment {payment} of order {id} has no order, and its row is not dead-lettered: "
                    + string.Join("; ", unmatched.Select(one => $"{one.PaymentKey} is {one.State} for {one.Reason}"));
            }
        }
    }

    // The columns of one side, against the message that they must be from.
    private static IEnumerable<string> Columns(long id, FactRow row, JsonElement? message, int first, int end, string side)
    {
        for (var i = first; i < end; i++)
        {
            var expected = message is { } data && data.TryGetProperty(IRowReader.FactColumns[i], out var value) ? Text(value) : null;
            if (row.Columns[i] != expected)
            {
                return [$"order {id} has {IRowReader.FactColumns[i]} = {row.Columns[i] ?? "null"}, and the newest {side} message says {expected ?? "null"}"];
            }
        }

        return [];
    }

    // A payment that had a dead letter before its order came is not published again: its row gets the reason.
    private static IEnumerable<string> NotSuperseded(long id, PublishedOrder order, IReadOnlyList<UnmatchedRow> unmatched, HasDeadLetter hasDeadLetter) =>
        order.Payments.Keys
            .Where(payment => payment != order.NewestPayment
                && !hasDeadLetter(id, payment, "superseded")
                && !(hasDeadLetter(id, payment, "no-matching-order")
                    && unmatched.Any(one => one.PaymentKey == Text(payment) && one is { State: "dead-lettered", Reason: "superseded" })))
            .Select(payment => $"payment {payment} of order {id} was displaced by {order.NewestPayment} and has no dead letter");

    private static string? Text(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.Null => null,
        JsonValueKind.String => value.GetString(),
        _ => value.TryGetInt64(out var whole) ? Text(whole) : value.GetDouble().ToString("R", CultureInfo.InvariantCulture),
    };

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
