namespace EcomStream.Core;

public readonly partial record struct OrderState
{
    /// <summary>Whether <paramref name="left"/> is to be in the row rather than <paramref name="right"/>.</summary>
    public static bool IsNewer(PaymentReceived left, PaymentReceived right) =>
        left.Stamp != right.Stamp ? left.Stamp > right.Stamp
        : EqualStamps.Compare(left.Payment, right.Payment) is not 0 and var byColumns ? byColumns > 0
        : !left.IsRebuilt && !right.IsRebuilt && string.CompareOrdinal(left.Key, right.Key) > 0;

    /// <summary>
    /// Whether two messages are about the same payment: the same payment id, or the same text where the id is not a
    /// 64-bit integer. A payment that was rebuilt from the row has lost such a text; it is the same as the message that
    /// has its stamp and its columns.
    /// </summary>
    public static bool SamePayment(PaymentReceived left, PaymentReceived right)
    {
        if (left.Payment.PaymentId is not null || right.Payment.PaymentId is not null)
        {
            return left.Payment.PaymentId == right.Payment.PaymentId;
        }

        return left.Key == right.Key
            || ((left.IsRebuilt || right.IsRebuilt) && left.Stamp == right.Stamp && EqualStamps.Compare(left.Payment, right.Payment) == 0);
    }

    private static PaymentReceived FromRow(Payment payment, Stamp stamp)
    {
        var data = new System.Buffers.ArrayBufferWriter<byte>();
        PaymentCodec.Encode(payment, data);

        // A row that another program wrote has no stamp; it counts as older than every message.
        var publishedAt = stamp == Stamp.None ? 0 : stamp.Micros;
        var key = payment.PaymentId is null ? $"{PaymentReceived.MessagePrefix}{publishedAt}" : null;
        return new PaymentReceived(payment, stamp, new StoredDelivery(data.WrittenMemory, "", publishedAt, ""), key) { IsRebuilt = true };
    }

    // FNV-1a (http://www.isthe.com/chongo/tech/comp/fnv/): the same in every process, unlike string.GetHashCode.
    private static long Hash(string messageId)
    {
        var hash = 14_695_981_039_346_656_037UL;
        foreach (var c in messageId)
        {
            hash = (hash ^ c) * 1_099_511_628_211UL;
        }

        return (long)hash;
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

        if (Waiting.Length >= MaxWaiting)
        {
            decision = new Decision { Park = message };
            return this with { HasMoreRows = true };
        }

        decision = new Decision { Wait = message };
        return this with { Waiting = Waiting.Add(new WaitingPayment(message, HasRow: false)) };
    }

    // Rows that were read. Of a payment that is in memory with its row, the newer message stays.
    private OrderState WithRows(IReadOnlyList<UnmatchedMessage> rows)
    {
        if (rows.Count == 0)
        {
            return this;
        }

        var known = Waiting;
        var added = known.ToBuilder();
        foreach (var (message, isGivenUp) in rows)
        {
            if (!known.Any(w => w.HasRow && SamePayment(w.Message, message) && !IsNewer(message, w.Message)))
            {
                added.Add(new WaitingPayment(message, HasRow: true, isGivenUp));
            }
        }

        return this with { Waiting = added.ToImmutable() };
    }

    private OrderState Apply(PaymentReceived message, out Decision decision)
    {
        switch (PaymentSide)
        {
            case PaymentSide.Unknown when message.Payment.PaymentId is null:
                // The guard of the store compares payment ids, and this payment has none that the row could hold.
                decision = new Decision { Load = true };
                return this;
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

            return Write(message, new Decision { Guarded = PaymentSide == PaymentSide.Guarded }, out decision);
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

        return Write(
            message,
            new Decision { DeadLetters = [new DeadLetterPayment(current, DeadLetterReason.Superseded)] },
            out decision);
    }

    // A payment replaces the current one, whose columns may have write timestamps that are not older.
    private OrderState Write(PaymentReceived message, in Decision rest, out Decision decision)
    {
        Stamp? detail = null;
        if (Payment is { } current)
        {
            var written = current.Stamp > PaymentDetailStamp ? current.Stamp : PaymentDetailStamp;
            detail = message.Stamp <= written ? new Stamp(written.Micros + 1) : null;
        }

        decision = rest with { WritePayment = message, PaymentDetailStamp = detail };
        return this with { Payment = message, PaymentDetailStamp = detail ?? message.Stamp };
    }

    // The order is present: of the payment in the row and those that wait, the newest sets the payment columns. Waiting
    // payments are known only after the row was read, so the payment side is never unknown here.
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

        var rest = new Decision { WriteOrder = order, DeadLetters = superseded, Heal = heal, SettleAlso = settle };
        var state = this with { Waiting = [], PaymentSide = PaymentSide.Present };
        if (!ReferenceEquals(winner, Payment))
        {
            return state.Write(winner!, rest, out decision);
        }

        decision = rest;
        return state;
    }
}
