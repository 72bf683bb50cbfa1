using System.Collections.Immutable;

namespace EcomStream.Core;

/// <summary>
/// The rules of the join for one order, pure: each method takes what happened and returns the new state and what to
/// do about it. Nothing else in EcomStream decides which message wins, waits or is dead-lettered.
/// </summary>
/// <remarks>
/// The newest order message sets the order columns, the newest payment message sets the payment columns (newest by
/// <see cref="Stamp"/>; equal stamps by <see cref="EqualStamps"/>), and neither touches the other's. A payment waits
/// while there is no order. A payment that is not the same as the newest one is dead-lettered as superseded.
/// At most <see cref="MaxWaiting"/> payments of one order wait in memory; further ones wait in their rows only.
/// </remarks>
public readonly partial record struct OrderState
{
    /// <summary>Payments of one order that wait in memory at most, so that no order makes a message more expensive than another.</summary>
    public const int MaxWaiting = 32;

    private readonly ImmutableArray<WaitingPayment> _waiting;

    private OrderState(long orderId) => OrderId = orderId;

    /// <summary>The order.</summary>
    public long OrderId { get; private init; }

    /// <summary>What is known of the order columns.</summary>
    public OrderSide OrderSide { get; private init; }

    /// <summary>What is known of the payment columns.</summary>
    public PaymentSide PaymentSide { get; private init; }

    /// <summary>Stamp of the newest order message; meaningless unless the order side is present.</summary>
    public Stamp OrderStamp { get; private init; }

    /// <summary>
    /// A hash of the message id of the newest order message; 0 when it is not known. It tells a redelivery from another
    /// message with the same stamp.
    /// </summary>
    public long OrderMessageHash { get; private init; }

    /// <summary>
    /// The largest write timestamp of the payment columns other than <c>payment_id</c> that this knows of;
    /// <see cref="FactWrite.PaymentDetailStamp"/> exceeds it.
    /// </summary>
    public Stamp PaymentDetailStamp { get; private init; }

    /// <summary>Whether the order may have unmatched rows that are not in <see cref="Waiting"/>.</summary>
    public bool HasMoreRows { get; private init; }

    /// <summary>Whether the order is there and unmatched rows that it heals are still to be read.</summary>
    public bool NeedsMoreRows => OrderSide == OrderSide.Present && HasMoreRows;

    /// <summary>The newest payment; null unless the payment side is present or guarded.</summary>
    public PaymentReceived? Payment { get; private init; }

    /// <summary>Payments that wait for the order, in no particular order.</summary>
    public ImmutableArray<WaitingPayment> Waiting
    {
        get => _waiting.IsDefault ? [] : _waiting;
        private init => _waiting = value;
    }

    /// <summary>Both sides are present and nothing waits: the order's actor has nothing left to do.</summary>
    public bool IsComplete => OrderSide == OrderSide.Present && Payment is not null && _waiting.IsDefaultOrEmpty && !HasMoreRows;

    /// <summary>There is no order and no payment that waits in memory: the store knows everything that this knows.</summary>
    public bool IsEmpty => OrderSide != OrderSide.Present && (_waiting.IsDefaultOrEmpty || _waiting.All(w => w.IsGivenUp));

    /// <summary>Nothing is known yet.</summary>
    public static OrderState New(long orderId) => new(orderId);

    /// <summary>An order message arrived.</summary>
    public OrderState Receive(OrderReceived message, out Decision decision)
    {
        var hash = Hash(message.Delivery.MessageId);
        if (OrderSide == OrderSide.Present
            && (message.Stamp < OrderStamp || (message.Stamp == OrderStamp && OrderMessageHash == hash)))
        {
            decision = new Decision { Settle = message };
            return this;
        }

        // Another message with the same stamp is written as well: the columns are resolved where the rows are.
        var state = this with { OrderSide = OrderSide.Present, OrderStamp = message.Stamp, OrderMessageHash = hash };
        if (_waiting.IsDefaultOrEmpty)
        {
            decision = new Decision { WriteOrder = message };
            return state;
        }

        return state.JoinWaiting(message, out decision);
    }

    /// <summary>A payment message arrived.</summary>
    public OrderState Receive(PaymentReceived message, out Decision decision)
    {
        switch (OrderSide)
        {
            case OrderSide.Unknown:
                decision = new Decision { Load = true };
                return this;
            case OrderSide.Absent:
                return Wait(message, out decision);
            default:
                return Apply(message, out decision);
        }
    }

    /// <summary>
    /// The row and the unmatched rows of the order were read, after everything written for the order was durable.
    /// </summary>
    /// <param name="row">The row; null when there is none.</param>
    /// <param name="unmatched">Payments of its unmatched rows that an order would heal.</param>
    /// <param name="hasMore">Whether there may be more such rows.</param>
    /// <param name="decision">What to do.</param>
    public OrderState Loaded(OrderFact? row, IReadOnlyList<UnmatchedMessage> unmatched, bool hasMore, out Decision decision)
    {
        var state = this;
        if (row?.Order is not null)
        {
            var knowsNewer = OrderSide == OrderSide.Present && OrderStamp >= row.OrderStamp;
            state = state with
            {
                OrderSide = OrderSide.Present,
                OrderStamp = knowsNewer ? OrderStamp : row.OrderStamp,
                OrderMessageHash = knowsNewer ? OrderMessageHash : 0,
            };
        }
        else
        {
            // Everything written is durable by now: an order that is not in the row was rejected, or deleted by another program.
            state = state with { OrderSide = OrderSide.Absent, OrderStamp = default, OrderMessageHash = 0 };
        }

        state = row?.Payment is { } payment
            ? state with
            {
                PaymentSide = PaymentSide.Present,
                Payment = Payment is { } known && known.Stamp == row.PaymentStamp && EqualStamps.Compare(known.Payment, payment) == 0
                    ? known
                    : FromRow(payment, row.PaymentStamp),
                PaymentDetailStamp = row.PaymentDetailStamp,
            }
            : state with { PaymentSide = PaymentSide.Absent, Payment = null, PaymentDetailStamp = Stamp.None };

        state = state.WithRows(unmatched) with { HasMoreRows = hasMore };
        if (state.OrderSide == OrderSide.Present && !state._waiting.IsDefaultOrEmpty)
        {
            return state.JoinWaiting(null, out decision);
        }

        decision = Decision.Nothing;
        return state;
    }

    /// <summary>
    /// A guarded payment was refused by the store: the row holds another one. The row is read before this message,
    /// and any other payment, is decided.
    /// </summary>
    public OrderState Refused(PaymentReceived message, out Decision decision)
    {
        if (PaymentSide is PaymentSide.Present or PaymentSide.Absent)
        {
            return Receive(message, out decision);
        }

        decision = new Decision { Load = true };
        return this with { PaymentSide = PaymentSide.MustLoad, Payment = null };
    }

    /// <summary>
    /// The first moment of waiting is over: rows are to be written for the payments that still have none.
    /// </summary>
    /// <param name="parked">The payments to write rows for; their messages are settled when the rows are durable.</param>
    public OrderState Park(out IReadOnlyList<PaymentReceived> parked)
    {
        if (_waiting.IsDefaultOrEmpty || _waiting.All(w => w.HasRow))
        {
            parked = [];
            return this;
        }

        parked = [.. _waiting.Where(w => !w.HasRow).Select(w => w.Message)];
        return this with { Waiting = [.. _waiting.Select(w => w with { HasRow = true })] };
    }

    /// <summary>
    /// The watermark of the orders moved, and the row has just been read: payments published more than the grace
    /// before the watermark are given up when there is still no order.
    /// </summary>
    /// <param name="watermarkMicros">Orders published until then have been received, microseconds since the Unix epoch.</param>
    /// <param name="grace">How long a payment waits.</param>
    /// <param name="decision">What to do.</param>
    public OrderState GiveUp(long watermarkMicros, TimeSpan grace, out Decision decision)
    {
        if (OrderSide != OrderSide.Absent || _waiting.IsDefaultOrEmpty)
        {
            decision = Decision.Nothing;
            return this;
        }

        // Publish times and the watermark are both the broker's times, so no local clock is involved.
        var graceMicros = (long)grace.TotalMicroseconds;
        var until = watermarkMicros < long.MinValue + graceMicros ? long.MinValue : watermarkMicros - graceMicros;
        var waiting = ImmutableArray.CreateBuilder<WaitingPayment>(_waiting.Length);
        var deadLetters = new List<DeadLetterPayment>();
        foreach (var payment in _waiting)
        {
            // A newer message of the same payment has a grace of its own.
            var isDue = !payment.IsGivenUp && payment.Message.Delivery.PublishTimeMicros <= until
                && !_waiting.Any(w => w.Message.Delivery.PublishTimeMicros > until && SamePayment(w.Message, payment.Message));
            waiting.Add(isDue ? payment with { HasRow = true, IsGivenUp = true } : payment);
            if (isDue)
            {
                deadLetters.Add(new DeadLetterPayment(payment.Message, DeadLetterReason.NoMatchingOrder));
            }
        }

        if (deadLetters.Count == 0)
        {
            decision = Decision.Nothing;
            return this;
        }

        decision = new Decision { DeadLetters = deadLetters };
        return this with { Waiting = waiting.MoveToImmutable() };
    }

    /// <summary>
    /// The state with at most <see cref="MaxWaiting"/> payments in memory: payments that have their row are dropped, the
    /// given-up ones first, and read again when they are needed.
    /// </summary>
    public OrderState Bounded()
    {
        if (_waiting.IsDefaultOrEmpty || _waiting.Length <= MaxWaiting)
        {
            return this;
        }

        return this with
        {
            Waiting = [.. _waiting.OrderBy(w => !w.HasRow ? 0 : !w.IsGivenUp ? 1 : 2).Take(MaxWaiting)],
            HasMoreRows = true,
        };
    }

    /// <summary>
    /// The state without the payments that are given up: an operator may discard them. The others are read from their rows
    /// when the order comes.
    /// </summary>
    public OrderState WithoutGivenUp() => _waiting.IsDefaultOrEmpty || !_waiting.Any(w => w.IsGivenUp)
        ? this
        : this with { Waiting = [.. _waiting.Where(w => !w.IsGivenUp)], HasMoreRows = true };

    /// <summary>
    /// The state without some payments whose rows say that they do not wait: they were dead-lettered or discarded before.
    /// Those of them that an order heals are read from their rows when the order comes.
    /// </summary>
    public OrderState Without(IReadOnlyList<PaymentReceived> payments)
    {
        var rest = Waiting.RemoveAll(w => payments.Contains(w.Message));
        return rest.Length == Waiting.Length ? this : this with { Waiting = rest, HasMoreRows = true };
    }

    /// <summary>
    /// The state after a write of the order was rejected: nothing is known of the row any more. A state that has learned
    /// since that there is no order stays.
    /// </summary>
    public OrderState Forgotten() => OrderSide == OrderSide.Present ? New(OrderId) with { HasMoreRows = HasMoreRows } : this;
}
