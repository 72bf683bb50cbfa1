using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// What some commands do to the unmatched rows of one order: which rows change and which dead letters are to be
/// published. Pure: no clock and no I/O.
/// </summary>
/// <param name="now">The time of the changes.</param>
/// <param name="paymentsTopic">The topic of the payments' dead letters.</param>
internal sealed class UnmatchedLedger(DateTimeOffset now, string paymentsTopic)
{
    private readonly Dictionary<string, UnmatchedPayment> _rows = [];
    private readonly Dictionary<string, UnmatchedPayment> _existing = [];
    private readonly HashSet<string> _changed = [];
    private readonly long _nowMicros = Timestamps.Micros(now);

    /// <summary>Every row that is known, as it will be.</summary>
    public IReadOnlyCollection<UnmatchedPayment> Rows => _rows.Values;

    /// <summary>The rows to write.</summary>
    public IEnumerable<UnmatchedPayment> Changed => _changed.Select(key => _rows[key]);

    /// <summary>A row as the store had it; null when it had none.</summary>
    public UnmatchedPayment? Existing(string paymentKey) => _existing.GetValueOrDefault(paymentKey);

    /// <summary>The dead letters to publish, by id: each is published once.</summary>
    public Dictionary<string, PendingDeadLetter> DeadLetters { get; } = [];

    /// <summary>The ids of the rows that were healed.</summary>
    public List<string> Healed { get; } = [];

    /// <summary>How many payments got a row.</summary>
    public int Parked { get; private set; }

    /// <summary>Whether a payment is a redelivery of one that an operator has discarded. A newer message of it, such as a replay, is not.</summary>
    public bool IsDiscarded(PaymentReceived payment) =>
        _rows.TryGetValue(payment.Key, out var row)
        && row.State == UnmatchedState.Discarded
        && UnmatchedRows.Compare(payment, row) <= 0;

    /// <summary>Whether the row of a payment says that it waits.</summary>
    public bool IsWaiting(PaymentReceived payment) => _rows.TryGetValue(payment.Key, out var row) && row.State == UnmatchedState.Waiting;

    /// <summary>Adds a row as the store has it.</summary>
    public void AddExisting(UnmatchedPayment row)
    {
        if (_rows.TryAdd(row.PaymentKey, row))
        {
            _existing.Add(row.PaymentKey, row);
        }
    }

    /// <summary>Carries a command out.</summary>
    public void Apply(UnmatchedCommand command)
    {
        switch (command)
        {
            case ParkPayments park:
                foreach (var payment in park.Payments)
                {
                    Park(payment);
                }

                break;
            case DeadLetterPayments deadLetters:
                foreach (var deadLetter in deadLetters.Payments)
                {
                    GiveUp(deadLetter);
                }

                break;
            case HealPayments heal:
                foreach (var payment in heal.Payments)
                {
                    Heal(payment);
                }

                break;
            case HealReplayedPayment replayed:
                HealReplayed(replayed.Payment);
                break;
            case HealReplayedMessage replayed:
                HealReplayed(replayed);
                break;
            case DeadLetterMessage deadLetter:
                GiveUp(deadLetter);
                break;
        }
    }

    /// <summary>A dead letter was not published, or not as it was; its row says so.</summary>
    /// <param name="id">The dead letter's id.</param>
    /// <param name="why">The reason.</param>
    public void NotPublished(string id, string why)
    {
        foreach (var row in _rows.Values.Where(row => row.Id == id).ToList())
        {
            Change(row.Become(row.State, _nowMicros, $"kept in this row only, not published: {why}"));
        }
    }

    private void Park(PaymentReceived payment)
    {
        // A payment that was read from the dead letters was given up by whoever published it.
        var state = payment.Delivery is DeadLetterDelivery ? UnmatchedState.DeadLettered : UnmatchedState.Waiting;
        var row = UnmatchedRows.Encode(payment, DeadLetterReason.NoMatchingOrder, state, _nowMicros);
        if (!_rows.TryGetValue(row.PaymentKey, out var existing))
        {
            Parked++;
            Change(row);
            return;
        }

        if (IsDiscarded(payment))
        {
            return;
        }

        Parked++;
        var age = UnmatchedRows.Compare(payment, existing);
        if (age < 0)
        {
            return;
        }

        // A payment that was dead-lettered already is not published again, unless an operator has replayed it; its row
        // takes the data of the newer message. A row that the store accepted only without its data gets another chance.
        var replayed = IsNewReplay(payment, existing);
        row = (age == 0 && !existing.Data.IsEmpty ? existing : existing.WithMessageOf(row)) with { Replays = Math.Max(existing.Replays, row.Replays) };
        Change(existing.IsHealable && !replayed
            ? row
            : (row with { Reason = DeadLetterReason.NoMatchingOrder, Detail = "" }).Become(state, _nowMicros, replayed ? "replayed" : ""));
    }

    private void GiveUp(DeadLetterPayment deadLetter)
    {
        var payment = deadLetter.Payment;
        var detail = Detail(deadLetter);
        var row = UnmatchedRows.Encode(payment, deadLetter.Reason, UnmatchedState.DeadLettered, _nowMicros, detail);
        var source = payment.Delivery;
        var isRebuilt = payment.IsRebuilt;
        if (_rows.TryGetValue(row.PaymentKey, out var existing))
        {
            var age = UnmatchedRows.Compare(payment, existing);
            if (existing.State == UnmatchedState.Healed && age <= 0 && deadLetter.Reason == DeadLetterReason.NoMatchingOrder)
            {
                // It was joined since this was decided.
                return;
            }

            if (existing.IsHealable && age < 0)
            {
                // The row has a newer message of the payment by now, which is decided when the row is read.
                return;
            }

            // Row and dead letter carry the newest message of the payment, as it was sent where that is known.
            var keepsExisting = age <= 0;
            if (keepsExisting && existing.State == UnmatchedState.Discarded)
            {
                // Its row has the operator's reason.
                return;
            }

            if (keepsExisting)
            {
                source = UnmatchedRows.Source(existing);
                isRebuilt = false;
            }

            row = existing.WithMessageOf(keepsExisting ? existing : row) with
            {
                Reason = deadLetter.Reason,
                Detail = detail,
                Replays = Math.Max(existing.Replays, row.Replays),
            };

            // Of a payment that was discarded, this is a newer message. A replay is published again.
            var isGivenUp = existing.State == UnmatchedState.DeadLettered && !IsNewReplay(payment, existing);
            if (isGivenUp && !DeadLetters.ContainsKey(row.Id))
            {
                // It was published before: this is a redelivery, or a dead letter that turned out to be superseded.
                Change(row);
                return;
            }

            row = isGivenUp ? row : row.Become(UnmatchedState.DeadLettered, _nowMicros, detail);
        }

        Change(row);
        DeadLetters[row.Id] = new PendingDeadLetter(
            paymentsTopic,
            deadLetter.Reason,
            DeadLetter.ToMessage(
                source, deadLetter.Reason, detail, row.Id, now, row.OrderId, payment.Payment.IdAsText, row.Replays, isRebuilt));
    }

    private void GiveUp(DeadLetterMessage deadLetter)
    {
        var row = UnmatchedRows.Encode(deadLetter, _nowMicros);
        if (_rows.TryGetValue(row.PaymentKey, out var existing))
        {
            if (row.Stamp <= existing.Stamp)
            {
                // A redelivery: its dead letter has been published. A broker whose data was deleted gives the same message
                // ids again, but not the same publish times.
                return;
            }

            row = existing.WithMessageOf(row) with
            {
                Reason = row.Reason,
                Detail = row.Detail,
                Replays = Math.Max(existing.Replays, row.Replays),
            };
        }

        row = row.Become(UnmatchedState.DeadLettered, _nowMicros, $"{deadLetter.Reason.ToAttribute()}: {deadLetter.Detail}");
        Change(row);
        if (deadLetter.Topic is { } topic)
        {
            DeadLetters[row.Id] = new PendingDeadLetter(
                topic,
                deadLetter.Reason,
                DeadLetter.ToMessage(
                    deadLetter.Delivery, deadLetter.Reason, deadLetter.Detail, row.Id, now, deadLetter.OrderId, deadLetter.PaymentId, row.Replays));
        }
    }

    private void Heal(PaymentReceived payment)
    {
        // A payment that was superseded while its fact was being written stays superseded, and a row that has a newer
        // message by now waits until that one is joined.
        if (_rows.TryGetValue(payment.Key, out var existing) && existing.IsUnjoined && UnmatchedRows.Compare(payment, existing) >= 0)
        {
            Heal(existing, existing.State == UnmatchedState.Discarded ? "discarded while it was being joined" : "joined");
        }
    }

    private void HealReplayed(HealReplayedMessage replayed)
    {
        if (_rows.TryGetValue(replayed.RowKey.PaymentKey, out var row)
            && row is { IsMessage: true, State: UnmatchedState.DeadLettered or UnmatchedState.Discarded })
        {
            Heal(row, $"replayed as message {replayed.Delivery.MessageId}");
        }
    }

    private void HealReplayed(PaymentReceived payment)
    {
        if (_rows.TryGetValue(payment.Key, out var row) && row.State != UnmatchedState.Healed && IsNewReplay(payment, row))
        {
            Heal(row, $"replayed as message {payment.Delivery.MessageId} and joined");
        }
    }

    // A replay that is delivered again is in the row already.
    private static bool IsNewReplay(PaymentReceived payment, UnmatchedPayment row) => payment.Replay is not null && payment.Stamp > row.Stamp;

    private static string Detail(DeadLetterPayment deadLetter) => deadLetter.Reason switch
    {
        DeadLetterReason.NoMatchingOrder => $"no order {deadLetter.Payment.OrderId} within the grace",
        DeadLetterReason.Superseded => $"order {deadLetter.Payment.OrderId} has a newer payment",
        _ => "",
    };

    private void Heal(UnmatchedPayment row, string note)
    {
        Change(row.Become(UnmatchedState.Healed, _nowMicros, note));
        Healed.Add(row.Id);
    }

    // A row that stays as it was is not written: an operator may have changed it since it was read.
    private void Change(UnmatchedPayment row)
    {
        if (_rows.TryGetValue(row.PaymentKey, out var known) && known.HasSameContent(row))
        {
            return;
        }

        _rows[row.PaymentKey] = row;
        _changed.Add(row.PaymentKey);
    }
}
