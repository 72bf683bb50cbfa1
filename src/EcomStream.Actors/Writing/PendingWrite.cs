using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Everything that is to be written for one order at once, and the messages that this settles.</summary>
internal sealed class PendingWrite
{
    private readonly long _orderId;
    private OrderReceived? _order;
    private bool _guarded;
    private Extras? _extras;

    public PendingWrite(WriteFact first)
    {
        _orderId = first.OrderId;
        TryMerge(first);
    }

    private PendingWrite(long orderId) => _orderId = orderId;

    /// <summary>The newest payment.</summary>
    public PaymentReceived? Payment { get; private set; }

    /// <summary>Whether it writes order columns.</summary>
    public bool HasOrder => _order is not null;

    /// <summary>Whether it writes both order and payment columns.</summary>
    public bool HasBothSides => _order is not null && Payment is not null;

    /// <summary>The payments whose rows are healed when this is durable.</summary>
    public List<PaymentReceived>? Heal => _extras?.Heal;

    /// <summary>The write that comes after it, when it was divided; null for none.</summary>
    public PendingWrite? PaymentPart => _extras?.PaymentPart;

    /// <summary>Whether one of the messages is a replay.</summary>
    public bool HasReplay { get; private set; }

    /// <summary>The newest publish time of what is written, microseconds since the Unix epoch.</summary>
    public long NewestPublishTimeMicros => Math.Max(
        _order?.Delivery.PublishTimeMicros ?? long.MinValue,
        Payment?.Delivery.PublishTimeMicros ?? long.MinValue);

    /// <summary>Every message that is settled with this.</summary>
    public IEnumerable<OrderMessage> Messages
    {
        get
        {
            if (_order is not null)
            {
                yield return _order;
            }

            if (Payment is not null)
            {
                yield return Payment;
            }

            foreach (var message in _extras?.Messages ?? [])
            {
                yield return message;
            }
        }
    }

    /// <summary>The payment messages among them.</summary>
    public IEnumerable<PaymentReceived> Payments => Messages.OfType<PaymentReceived>();

    /// <summary>The message whose columns the store rejected, and the others, which may be accepted without it.</summary>
    public (List<OrderMessage> Rejected, List<OrderMessage> Others) SplitRejected() =>
        ([.. new OrderMessage?[] { _order, Payment }.OfType<OrderMessage>()], [.. _extras?.Messages ?? []]);

    /// <summary>Adds a later write of the same order.</summary>
    /// <returns>False, with nothing added, when its payment is guarded and another payment is pending.</returns>
    public bool TryMerge(WriteFact write)
    {
        if (write is { Payment: { } guarded, Guarded: true } && Payment is { } other
            && !OrderState.SamePayment(other, guarded))
        {
            return false;
        }

        HasReplay |= write.Order?.Replay is not null || write.Payment?.Replay is not null;
        if (write.Order is { } order)
        {
            if (_order is null || order.Stamp > _order.Stamp)
            {
                (order, _order) = (_order!, order);
                _extras?.Columns = null;
            }
            else if (order.Stamp == _order.Stamp)
            {
                Extra.Columns = EqualStamps.Merge(_extras?.Columns ?? _order.Order, order.Order);
            }

            Settle(order);
        }

        if (write.Payment is { } payment)
        {
            // Once a payment is written unguarded, what the row held has been dealt with.
            _guarded = write.Guarded && (Payment is null || _guarded);
            if (write.PaymentDetailStamp is { } detail && detail > (_extras?.PaymentDetailStamp ?? Stamp.None))
            {
                Extra.PaymentDetailStamp = detail;
            }

            if (Payment is null || OrderState.IsNewer(payment, Payment))
            {
                (payment, Payment) = (Payment!, payment);
            }

            Settle(payment);
        }

        if (write.SettleAlso is { } also)
        {
            (Extra.Messages ??= []).AddRange(also);
            HasReplay |= also.Any(payment => payment.Replay is not null);
        }

        if (write.Heal is { } heal)
        {
            (Extra.Heal ??= []).AddRange(heal);
        }

        return true;
    }

    /// <summary>Settles one more message with this.</summary>
    public void Settle(OrderMessage? message)
    {
        if (message is not null)
        {
            (Extra.Messages ??= []).Add(message);
            HasReplay |= message.Replay is not null;
        }
    }

    /// <summary>Takes out the payment messages that it would settle without writing their columns.</summary>
    public List<OrderMessage> TakePayments()
    {
        List<OrderMessage> taken = [.. _extras?.Messages?.OfType<PaymentReceived>() ?? []];
        _extras?.Messages?.RemoveAll(message => message is PaymentReceived);
        return taken;
    }

    /// <summary>
    /// Divides it into a write of the order columns, which is returned, and one of the payment columns, its
    /// <see cref="PaymentPart"/>, each with the messages that it settles, so that one can succeed without the other.
    /// </summary>
    public PendingWrite Divide()
    {
        var payment = new PendingWrite(_orderId) { Payment = Payment, _guarded = _guarded };
        var order = new PendingWrite(_orderId) { _order = _order };
        order.Extra.PaymentPart = payment;
        if (_extras is { } extras)
        {
            order.Extra.Columns = extras.Columns;
            payment.Extra.PaymentDetailStamp = extras.PaymentDetailStamp;
            payment.Extra.Heal = extras.Heal;
        }

        foreach (var message in _extras?.Messages ?? [])
        {
            (message is OrderReceived ? order : payment).Settle(message);
        }

        order.HasReplay |= _order?.Replay is not null;
        payment.HasReplay |= Payment?.Replay is not null;
        return order;
    }

    public FactWrite ToFactWrite() => new()
    {
        OrderId = _orderId,
        Order = _extras?.Columns ?? _order?.Order,
        OrderStamp = _order?.Stamp ?? Stamp.None,
        Payment = Payment?.Payment,
        PaymentStamp = Payment?.Stamp ?? Stamp.None,
        PaymentDetailStamp = _extras?.PaymentDetailStamp is { } detail && detail > Payment!.Stamp ? detail : null,
        PaymentGuarded = _guarded,
    };

    /// <summary>Acks all messages but replays.</summary>
    public void AckAll()
    {
        Ack(_order);
        Ack(Payment);
        if (_extras?.Messages is { } messages)
        {
            foreach (var message in messages)
            {
                Ack(message);
            }
        }
    }

    /// <summary>Acks the order messages but replays.</summary>
    public void AckOrders()
    {
        foreach (var message in Messages.OfType<OrderReceived>())
        {
            Ack(message);
        }
    }

    private static void Ack(OrderMessage? message)
    {
        if (message is not null)
        {
            MessageTrace.Written(message);
            if (message.Replay is null)
            {
                message.Delivery.Ack();
            }
        }
    }

    private Extras Extra => _extras ??= new Extras();

    /// <summary>What only a few writes need; most have an order, a payment, or both, and nothing else.</summary>
    private sealed class Extras
    {
        /// <summary>The order columns, when another message with the same stamp was merged into those of the order.</summary>
        public Order? Columns { get; set; }

        /// <summary>See <see cref="FactWrite.PaymentDetailStamp"/>.</summary>
        public Stamp? PaymentDetailStamp { get; set; }

        /// <summary>Further messages that it settles.</summary>
        public List<OrderMessage>? Messages { get; set; }

        /// <summary>The payments whose rows are healed.</summary>
        public List<PaymentReceived>? Heal { get; set; }

        /// <summary>The payment columns that are written after it.</summary>
        public PendingWrite? PaymentPart { get; set; }
    }
}
