using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Everything that is to be written for one order at once, and the messages that this settles.</summary>
internal sealed class PendingWrite
{
    private readonly long _orderId;
    private OrderReceived? _order;
    private bool _guarded;

    // The usual case, an order and its payment, needs no list.
    private List<OrderMessage>? _more;

    public PendingWrite(WriteFact first)
    {
        _orderId = first.OrderId;
        TryMerge(first);
    }

    /// <summary>The newest payment.</summary>
    public PaymentReceived? Payment { get; private set; }

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

    /// <summary>Adds a later write of the same order.</summary>
    /// <returns>False, with nothing added, when its payment is guarded and another payment is pending.</returns>
    public bool TryMerge(WriteFact write)
    {
        if (write is { Payment: { } guarded, Guarded: true } && Payment is { } other
            && other.Payment.PaymentId != guarded.Payment.PaymentId)
        {
            return false;
        }

        HasReplay |= write.Order?.Replay is not null || write.Payment?.Replay is not null;
        if (write.Order is { } order)
        {
            if (_order is null || order.Stamp > _order.Stamp)
            {
                (order, _order) = (_order!, order);
            }

            Settle(order);
        }

        if (write.Payment is { } payment)
        {
            // Once a payment is written unguarded, what the row held has been dealt with.
            _guarded = write.Guarded && (Payment is null || _guarded);
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

    public FactWrite ToFactWrite() => new()
    {
        OrderId = _orderId,
        Order = _order?.Order,
        OrderStamp = _order?.Stamp ?? Stamp.None,
        Payment = Payment?.Payment,
        PaymentStamp = Payment?.Stamp ?? Stamp.None,
        PaymentGuarded = _guarded,
    };

    public void AckAll()
    {
        _order?.Delivery.Ack();
        Payment?.Delivery.Ack();
        if (_more is not null)
        {
            foreach (var message in _more)
            {
                message.Delivery.Ack();
            }
        }
    }

    public void AckOrders()
    {
        foreach (var message in Messages.OfType<OrderReceived>())
        {
            message.Delivery.Ack();
        }
    }
}
