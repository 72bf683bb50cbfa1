using System.Globalization;
using System.Text.Json;
using EcomStream.Core;

namespace EcomStream.Simulation;

/// <summary>
/// Knows what was published and when, and what the world holds; nothing of how the pipeline works. It checks while the
/// simulation runs what must hold at every step, and at the end that the world is what the messages say.
/// </summary>
/// <param name="world">The world.</param>
internal sealed class Checker(SimulatedWorld world)
{
    private readonly Dictionary<(long OrderId, long PaymentId), long> _displaced = [];

    /// <summary>Whether every payment has its place: none waits that will not wait for ever.</summary>
    public bool IsQuiet => Unsettled.Length == 0;

    /// <summary>What is not settled yet.</summary>
    public string Unsettled
    {
        get
        {
            var open = world.Orders.Published.Concat(world.Payments.Published).Where(message => !message.IsAcked && !IsRejected(message.OrderId)).Take(3).Select(message => $"{message} is not acked")
                .Concat(Waiting().Take(3).Select(row => $"payment {row.PaymentKey} of order {row.OrderId} is {row.State} {row.Reason}"));
            return string.Join("; ", open);
        }
    }

    /// <summary>Ends the simulation with a fault.</summary>
    public void Fail(string fault) => world.Loop.Fail(new SimulationFailedException($"{Trace.Time(world.Loop.Now)} {fault}"));

    /// <summary>A row is about to be written: remembers the payment that this displaces.</summary>
    public void Writing(FactWrite write, OrderFact? before)
    {
        if (write.Payment?.PaymentId is { } newer && before?.Payment?.PaymentId is { } older && newer != older && !write.PaymentGuarded
            && write.PaymentStamp >= before.PaymentStamp)
        {
            _displaced[(write.OrderId, older)] = before.PaymentStamp.Micros;
        }
    }

    /// <summary>A message is acked: what it caused must be durable.</summary>
    public void Acked(SimulatedMessage message)
    {
        if (!IsDurable(message))
        {
            Fail($"acked before it is durable: {message}; the row is {world.Store.Fact(message.OrderId)}, unmatched {string.Join(", ", world.Store.Unmatched(message.OrderId).Select(row => $"{row.PaymentKey} {row.State} published {row.PublishTimeMicros}"))}");
        }

        if (message.Kind == MessageKind.Payment)
        {
            foreach (var ((orderId, paymentId), stamp) in _displaced)
            {
                // The message that displaced it has a newer stamp.
                if (orderId == message.OrderId && paymentId != message.PaymentId && stamp < message.Stamp
                    && world.Store.Fact(orderId)?.PaymentStamp.Micros == message.Stamp && !IsSuperseded(orderId, paymentId) && !IsInRow(orderId, paymentId))
                {
                    Fail($"{message} displaced payment {paymentId} and was acked before that was dead-lettered");
                }
            }
        }
    }

    /// <summary>A dead letter was published: its reason must be right.</summary>
    public void DeadLettered(PublishedDeadLetter deadLetter)
    {
        if (deadLetter["reason"] == "store-rejected" && deadLetter["order_id"] != $"{world.Scenario.RejectedOrder}")
        {
            Fail($"a healthy message was dead-lettered: {deadLetter}");
        }

        // The payment of an order that the store rejects has no order.
        var orderId = deadLetter["order_id"].Length == 0 ? 0 : long.Parse(deadLetter["order_id"], CultureInfo.InvariantCulture);
        if (deadLetter["reason"] != "no-matching-order" || IsRejected(orderId))
        {
            return;
        }

        var payment = world.Payments.Published.Last(message => message.Id == deadLetter["source_message_id"]);
        var order = world.Orders.Published
            .Where(message => message.Kind == MessageKind.Order && message.OrderId == orderId && message.PublishTime < payment.PublishTime + world.Scenario.Grace)
            .MinBy(message => message.PublishTime);
        if (order is not null)
        {
            Fail($"a false dead letter: {payment} was published at {payment.PublishTime}, its {order} at {order.PublishTime}, and the grace period is {world.Scenario.Grace / Scenario.Second} s");
        }
    }

    /// <summary>Everything is settled: the world must be what the messages say.</summary>
    public void CheckAtTheEnd()
    {
        // Once more, with the orders that were published after the dead letters.
        foreach (var deadLetter in world.DeadLetters)
        {
            DeadLettered(deadLetter);
        }

        foreach (var message in world.Orders.Published.Concat(world.Payments.Published))
        {
            if (message.Kind == MessageKind.Malformed && !IsMalformed(message))
            {
                Fail($"no dead letter for {message}");
            }
        }

        var orders = world.Orders.Published.Where(message => message.Kind == MessageKind.Order).ToLookup(message => message.OrderId);
        var payments = world.Payments.Published.Where(message => message.Kind == MessageKind.Payment).ToLookup(message => message.OrderId);
        foreach (var orderId in orders.Concat(payments).Select(group => group.Key).Distinct().Where(orderId => !IsRejected(orderId)))
        {
            CheckOrder(orderId, [.. orders[orderId]], [.. payments[orderId]]);
        }

        foreach (var discarded in world.Operator.Discarded)
        {
            if (world.Store.Unmatched(discarded.OrderId).Single(row => row.PaymentKey == $"{discarded.PaymentId}").State != UnmatchedState.Discarded)
            {
                Fail($"{discarded} was discarded, and its row is no longer");
            }
        }
    }

    private void CheckOrder(long orderId, List<SimulatedMessage> orders, List<SimulatedMessage> payments)
    {
        var row = world.Store.Fact(orderId);
        var unmatched = world.Store.Unmatched(orderId);
        if (orders.Count == 0)
        {
            if (row is not null)
            {
                Fail($"order {orderId} was never published and has the row {row}");
            }

            foreach (var payment in payments)
            {
                if (!HasDeadLetter(payment, "no-matching-order"))
                {
                    Fail($"{payment} has no order and was not dead-lettered");
                }

                if (payment.IsReplay && !payments.Any(other => other.PaymentId == payment.PaymentId && other != payment && other.Stamp >= payment.Stamp)
                    && !world.DeadLetters.Any(letter => letter["source_message_id"] == payment.Id))
                {
                    Fail($"{payment} has no order and was not dead-lettered again");
                }
            }

            return;
        }

        var newest = orders.OrderBy(message => message.Stamp).ThenBy(message => message.Mark, StringComparer.Ordinal).Last();
        if (row?.Order?.Item != newest.Mark)
        {
            Fail($"the row of order {orderId} has {row?.Order?.Item}, and the newest message is {newest}");
        }

        payments.RemoveAll(world.Operator.HasDiscarded);
        if (payments.OrderBy(message => message.Stamp).ThenBy(message => message.PaymentId).ThenBy(message => message.Mark, StringComparer.Ordinal).LastOrDefault() is not { } winner)
        {
            if (row!.Payment is not null)
            {
                Fail($"order {orderId} has no payment, and its row has {row.Payment}");
            }

            return;
        }

        if (row!.Payment?.PaymentId != winner.PaymentId || row.Payment.PaymentStatus != winner.Mark)
        {
            Fail($"the row of order {orderId} has {row.Payment}, and the newest message is {winner}");
        }

        foreach (var other in payments.Where(message => message.PaymentId != winner.PaymentId).Select(message => message.PaymentId).Distinct())
        {
            if (!IsSuperseded(orderId, other))
            {
                Fail($"payment {other} of order {orderId} is not in the row and was not dead-lettered as superseded");
            }
        }

        if (winner.IsReplay && unmatched.Any(one => one.PaymentKey == $"{winner.PaymentId}" && one.State != UnmatchedState.Healed))
        {
            Fail($"{winner} is in the row of its order, and its dead letter is not healed");
        }

        foreach (var open in unmatched.Where(one => one.IsHealable))
        {
            Fail($"order {orderId} exists, and its payment {open.PaymentKey} is {open.State} for {open.Reason}");
        }
    }

    private IEnumerable<UnmatchedPayment> Waiting()
    {
        var ids = world.Orders.Published.Where(message => message.Kind == MessageKind.Order).Select(message => message.OrderId).ToHashSet();
        return world.Store.Rows.Unmatched.Where(row => !IsRejected(row.OrderId) && (row.State == UnmatchedState.Waiting || (row.IsHealable && ids.Contains(row.OrderId))));
    }

    private bool IsDurable(SimulatedMessage message)
    {
        switch (message.Kind)
        {
            case MessageKind.Malformed:
                return IsMalformed(message);
            case var _ when IsRejected(message.OrderId) && world.DeadLetters.Any(letter =>
                letter["reason"] == "store-rejected" && letter["order_id"] == $"{message.OrderId}"):
                // An older message is settled with the newer one that was rejected.
                return true;
            case MessageKind.Order:
                return world.Store.Fact(message.OrderId) is { Order: not null } row && row.OrderStamp.Micros >= message.Stamp;
            default:
                return IsInRow(message.OrderId, message.PaymentId, message.Stamp)
                    || world.Store.Unmatched(message.OrderId).Any(row => row.PaymentKey == $"{message.PaymentId}" && row.PublishTimeMicros >= message.PublishTime)
                    || HasDeadLetter(message, "superseded") || HasDeadLetter(message, "no-matching-order") || IsSuperseded(message.OrderId, message.PaymentId);
        }
    }

    // The store never takes a row of it: it is tried again as long as no other row is taken meanwhile.
    private bool IsRejected(long orderId) => orderId == world.Scenario.RejectedOrder && orderId != 0;

    private bool IsInRow(long orderId, long paymentId, long stamp = 0) =>
        world.Store.Fact(orderId) is { Payment: { } payment } row && payment.PaymentId == paymentId && row.PaymentStamp.Micros >= stamp;

    private bool IsMalformed(SimulatedMessage message) => world.DeadLetters.Any(letter =>
        letter["reason"] == "malformed" && letter["source_message_id"] == message.Id && letter.Message.Data.Span.SequenceEqual(message.Data));

    private bool HasDeadLetter(SimulatedMessage message, string reason) => world.DeadLetters.Any(letter =>
        letter["reason"] == reason && letter["order_id"] == $"{message.OrderId}" && letter["payment_id"] == $"{message.PaymentId}");

    // One that had a dead letter already, because its order came late, is not published again: its row gets the reason.
    private bool IsSuperseded(long orderId, long paymentId) =>
        IsPublishedAsSuperseded(orderId, paymentId)
        || (world.DeadLetters.Any(letter => letter["order_id"] == $"{orderId}" && letter["payment_id"] == $"{paymentId}")
            && world.Store.Unmatched(orderId).Any(row => row.PaymentKey == $"{paymentId}" && row is { State: UnmatchedState.DeadLettered, Reason: DeadLetterReason.Superseded }));

    private bool IsPublishedAsSuperseded(long orderId, long paymentId) => world.DeadLetters.Any(letter =>
        letter["reason"] == "superseded" && letter["order_id"] == $"{orderId}" && letter["payment_id"] == $"{paymentId}"
        && JsonDocument.Parse(letter.Message.Data).RootElement.GetProperty("payment_id").GetInt64() == paymentId);
}
