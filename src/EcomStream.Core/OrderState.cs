using System.Collections.Immutable;

namespace EcomStream.Core;

/// <summary>What is known of the order columns of a row.</summary>
public enum OrderSide : byte
{
    /// <summary>The row has not been read.</summary>
    Unknown,

    /// <summary>The row has been read and has no order columns.</summary>
    Absent,

    /// <summary>An order message has been written, or is being written.</summary>
    Present,
}

/// <summary>What is known of the payment columns of a row.</summary>
public enum PaymentSide : byte
{
    /// <summary>The row has not been read: a payment is written guarded.</summary>
    Unknown,

    /// <summary>The row has not been read and is known to hold, or may hold, another payment: read it first.</summary>
    MustLoad,

    /// <summary>The row has been read and has no payment columns.</summary>
    Absent,

    /// <summary>A payment is being written guarded: it is in the row unless the row held another one.</summary>
    Guarded,

    /// <summary>The row holds, or will hold, this payment.</summary>
    Present,
}

/// <summary>
/// The rules of the join for one order, pure: each method takes what happened and returns the new state and what to
/// do about it. Nothing else in EcomStream decides which message wins, waits or is dead-lettered.
/// </summary>
/// <remarks>
/// The newest order message sets the order columns, the newest payment message sets the payment columns (newest by
/// <see cref="Stamp"/>; at one stamp the larger payment id), and neither touches the other's. A payment waits while
/// there is no order. A payment with another payment id than the newest one is dead-lettered as superseded.
/// </remarks>
public readonly record struct OrderState
{
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

    /// <summary>The newest payment; null unless the payment side is present or guarded.</summary>
    public PaymentReceived? Payment { get; private init; }

    /// <summary>Payments that wait for the order, in no particular order.</summary>
    public ImmutableArray<WaitingPayment> Waiting
    {
        get => _waiting.IsDefault ? [] : _waiting;
        private init => _waiting = value;
    }

    /// <summary>Both sides are there and nothing waits: the order's actor has nothing left to do.</summary>
    public bool IsComplete => OrderSide == OrderSide.Present && Payment is not null && _waiting.IsDefaultOrEmpty;

    /// <summary>
    /// There is no order, and nothing is left that waits for one: the store knows all that this knows.
    /// </summary>
    public bool IsEmpty => OrderSide != OrderSide.Present && (_waiting.IsDefaultOrEmpty || _waiting.All(w => w.IsGivenUp));

    /// <summary>Nothing is known yet.</summary>
    public static OrderState New(long orderId) => new(orderId);

    /// <summary>An order message arrived.</summary>
    public OrderState Receive(OrderReceived message, out Decision decision)
    {
        if (OrderSide == OrderSide.Present && message.Stamp <= OrderStamp)
        {
            decision = new Decision { Settle = message };
            return this;
        }

        var state = this with { OrderSide = OrderSide.Present, OrderStamp = message.Stamp };
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
    /// <param name="unmatched">Its unmatched payments, decoded, those that an order would heal.</param>
    /// <param name="decision">What to do.</param>
    public OrderState Loaded(OrderFact? row, IReadOnlyList<PaymentReceived> unmatched, out Decision decision)
    {
        var state = this;
        if (row?.Order is not null)
        {
            state = state with
            {
                OrderSide = OrderSide.Present,
                OrderStamp = OrderSide == OrderSide.Present && OrderStamp > row.OrderStamp ? OrderStamp : row.OrderStamp,
            };
        }
        else if (OrderSide != OrderSide.Present)
        {
            state = state with { OrderSide = OrderSide.Absent };
        }

        state = row?.Payment is { } payment
            ? state with { PaymentSide = PaymentSide.Present, Payment = FromRow(payment, row.PaymentStamp) }
            : state with { PaymentSide = PaymentSide.Absent, Payment = null };

        foreach (var message in unmatched)
        {
            state = state.WithRow(message);
        }

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

        var graceMicros = (long)grace.TotalMicroseconds;
        var givenUp = _waiting
            .Where(w => !w.IsGivenUp && w.Message.Delivery.PublishTimeMicros + graceMicros <= watermarkMicros)
            .ToList();
        if (givenUp.Count == 0)
        {
            decision = Decision.Nothing;
            return this;
        }

        decision = new Decision
        {
            DeadLetters = [.. givenUp.Select(w => new DeadLetterPayment(w.Message, DeadLetterReason.NoMatchingOrder))],
        };
        return this with
        {
            Waiting = [.. _waiting.Select(w => givenUp.Contains(w) ? w with { HasRow = true, IsGivenUp = true } : w)],
        };
    }

    /// <summary>Whether <paramref name="left"/> is to be in the row rather than <paramref name="right"/>.</summary>
    public static bool IsNewer(PaymentReceived left, PaymentReceived right) =>
        left.Stamp != right.Stamp
            ? left.Stamp > right.Stamp
            : (left.Payment.PaymentId ?? long.MinValue) > (right.Payment.PaymentId ?? long.MinValue);

    private static bool SamePayment(PaymentReceived left, PaymentReceived right) =>
        left.Payment.PaymentId == right.Payment.PaymentId;

    private static PaymentReceived FromRow(Payment payment, Stamp stamp)
    {
        var data = new System.Buffers.ArrayBufferWriter<byte>();
        PaymentCodec.Encode(payment, data);

        // What another program wrote has no stamp, and was published before everything else.
        var publishedAt = stamp == Stamp.None ? 0 : stamp.Micros;
        return new PaymentReceived(payment, stamp, new StoredDelivery(data.WrittenMemory, "", publishedAt, ""));
    }

    private OrderState Wait(PaymentReceived message, out Decision decision)
    {
        foreach (var waiting in Waiting)
        {
            if (waiting.HasRow && SamePayment(waiting.Message, message) && !IsNewer(message, waiting.Message))
            {
                decision = new Decision { Settle = message };
                return this;
            }
        }

        decision = new Decision { Wait = message };
        return this with { Waiting = Waiting.Add(new WaitingPayment(message, HasRow: false)) };
    }

    // A row that was read: the payment in memory is the same one if it is not older.
    private OrderState WithRow(PaymentReceived message)
    {
        for (var i = 0; i < Waiting.Length; i++)
        {
            var waiting = Waiting[i];
            if (SamePayment(waiting.Message, message) && !IsNewer(message, waiting.Message) && waiting.HasRow)
            {
                return this;
            }
        }

        return this with { Waiting = Waiting.Add(new WaitingPayment(message, HasRow: true)) };
    }

    private OrderState Apply(PaymentReceived message, out Decision decision)
    {
        switch (PaymentSide)
        {
            case PaymentSide.Unknown:
                decision = new Decision { WritePayment = message, Guarded = true };
                return this with { PaymentSide = PaymentSide.Guarded, Payment = message };
            case PaymentSide.MustLoad:
                decision = new Decision { Load = true };
                return this;
            case PaymentSide.Absent:
                decision = new Decision { WritePayment = message };
                return this with { PaymentSide = PaymentSide.Present, Payment = message };
        }

        var current = Payment!;
        if (SamePayment(current, message))
        {
            if (!IsNewer(message, current))
            {
                // While the guarded write may still be refused, a duplicate is only as safe as its own guarded write.
                decision = PaymentSide == PaymentSide.Guarded
                    ? new Decision { WritePayment = message, Guarded = true }
                    : new Decision { Settle = message };
                return this;
            }

            decision = new Decision { WritePayment = message, Guarded = PaymentSide == PaymentSide.Guarded };
            return this with { Payment = message };
        }

        if (PaymentSide == PaymentSide.Guarded)
        {
            // Which of three payments the row holds is known only when the guarded write has come back.
            decision = new Decision { Load = true };
            return this with { PaymentSide = PaymentSide.MustLoad, Payment = null };
        }

        if (!IsNewer(message, current))
        {
            decision = new Decision { DeadLetters = [new DeadLetterPayment(message, DeadLetterReason.Superseded)] };
            return this;
        }

        decision = new Decision
        {
            DeadLetters = [new DeadLetterPayment(current, DeadLetterReason.Superseded)],
            WritePayment = message,
        };
        return this with { Payment = message };
    }

    // The order is there: of the payment in the row and those that wait, the newest sets the payment columns. Waiting
    // payments are only known after the row was read, so the payment side is never unknown here.
    private OrderState JoinWaiting(OrderReceived? order, out Decision decision)
    {
        var winner = Payment;
        foreach (var waiting in _waiting)
        {
            if (winner is null || IsNewer(waiting.Message, winner))
            {
                winner = waiting.Message;
            }
        }

        List<DeadLetterPayment>? superseded = null;
        List<PaymentReceived>? heal = null, settle = null;
        if (Payment is not null && !SamePayment(Payment, winner!))
        {
            (superseded ??= []).Add(new DeadLetterPayment(Payment, DeadLetterReason.Superseded));
        }

        foreach (var (message, hasRow, _) in _waiting)
        {
            if (!SamePayment(message, winner!))
            {
                (superseded ??= []).Add(new DeadLetterPayment(message, DeadLetterReason.Superseded));
            }
            else
            {
                if (hasRow)
                {
                    (heal ??= []).Add(message);
                }

                if (!ReferenceEquals(message, winner))
                {
                    (settle ??= []).Add(message);
                }
            }
        }

        decision = new Decision
        {
            WriteOrder = order,
            WritePayment = ReferenceEquals(winner, Payment) ? null : winner,
            DeadLetters = superseded,
            Heal = heal,
            SettleAlso = settle,
        };
        return this with { Waiting = [], PaymentSide = PaymentSide.Present, Payment = winner };
    }
}
