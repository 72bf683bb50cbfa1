using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Everything that is to be written for one order at once, and the messages that this settles.</summary>
internal sealed class PendingWrite
{
    private readonly long _orderId;
    private OrderReceived? _order;

    // The order columns; those of _order, unless another message with the same stamp was merged into them.
    private Order? _columns;
    private Stamp? _paymentDetailStamp;
    private bool _guarded;

    // The usual case, an order and its payment, needs no list.
    private List<OrderMessage>? _more;

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
    public List<PaymentReceived>? Heal { get; private set; }

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

            foreach (var message in _more ?? [])
            {
                yield return message;
            }
        }
    }

    /// <summary>The payment messages among them.</summary>
    public IEnumerable<PaymentReceived> Payments => Messages.OfType<PaymentReceived>();

    /// <summary>The message whose columns the store rejected, and the others, which may be accepted without it.</summary>
    public (List<OrderMessage> Rejected, List<OrderMessage> Others) SplitRejected() =>
        ([.. new OrderMessage?[] { _order, Payment }.OfType<OrderMessage>()], [.. _more ?? []]);

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
                _columns = _order.Order;
            }
            else if (order.Stamp == _order.Stamp)
            {
                _columns = EqualStamps.Merge(_columns!, order.Order);
            }

            Settle(order);
        }

        if (write.Payment is { } payment)
        {
            // Once a payment is written unguarded, what the row held has been dealt with.
            _guarded = write.Guarded && (Payment is null || _guarded);
            if (write.PaymentDetailStamp is { } detail && (_paymentDetailStamp is not { } known || detail > known))
            {
                _paymentDetailStamp = detail;
            }

            if (Payment is null || OrderState.IsNewer(payment, Payment))
            {
                (payment, Payment) = (Payment!, payment);
            }

            Settle(payment);
        }

        if (write.SettleAlso is { } also)
        {
            (_more ??= []).AddRange(also);
            HasReplay |= also.Any(payment => payment.Replay is not null);
        }

        if (write.Heal is { } heal)
        {
            (Heal ??= []).AddRange(heal);
        }

        return true;
    }

    /// <summary>Settles one more message with this.</summary>
    public void Settle(OrderMessage? message)
    {
        if (message is not null)
        {
            (_more ??= []).Add(message);
            HasReplay |= message.Replay is not null;
        }
    }

    /// <summary>
    /// Divides it into a write of the order columns and one of the payment columns, each with the messages that it
    /// settles, so that one can succeed without the other.
    /// </summary>
    public (PendingWrite Order, PendingWrite Payment) Divide()
    {
        var order = new PendingWrite(_orderId) { _order = _order, _columns = _columns };
        var payment = new PendingWrite(_orderId)
        {
            Payment = Payment, _paymentDetailStamp = _paymentDetailStamp, _guarded = _guarded, Heal = Heal,
        };
        foreach (var message in _more ?? [])
        {
            (message is OrderReceived ? order : payment).Settle(message);
        }

        order.HasReplay |= _order?.Replay is not null;
        payment.HasReplay |= Payment?.Replay is not null;
        return (order, payment);
    }

    public FactWrite ToFactWrite() => new()
    {
        OrderId = _orderId,
        Order = _columns,
        OrderStamp = _order?.Stamp ?? Stamp.None,
        Payment = Payment?.Payment,
        PaymentStamp = Payment?.Stamp ?? Stamp.None,
        PaymentDetailStamp = _paymentDetailStamp is { } detail && detail > Payment!.Stamp ? detail : null,
        PaymentGuarded = _guarded,
    };

    public void AckAll()
    {
        Ack(_order);
        Ack(Payment);
        if (_more is not null)
        {
            foreach (var message in _more)
            {
                Ack(message);
            }
        }
    }

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
            message.Delivery.Ack();
        }
    }
}
