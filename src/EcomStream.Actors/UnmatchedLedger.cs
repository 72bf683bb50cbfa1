using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// The unmatched rows that some commands of the <see cref="DeadLetterSink"/> concern, and what the commands do to
/// them: which rows change, which dead letters are to be published. It does no I/O.
/// </summary>
/// <param name="now">The time of the changes.</param>
internal sealed class UnmatchedLedger(DateTimeOffset now)
{
    private readonly Dictionary<(long, string), UnmatchedPayment> _rows = [];
    private readonly Dictionary<(long, string), UnmatchedPayment> _changed = [];
    private readonly Dictionary<string, OutgoingMessage> _paymentLetters = [];
    private readonly List<(string Topic, OutgoingMessage Message)> _messageLetters = [];
    private readonly long _nowMicros = Timestamps.Micros(now);

    /// <summary>Every row that is known, as it will be.</summary>
    public IEnumerable<UnmatchedPayment> Rows => _rows.Values;

    /// <summary>The rows to write.</summary>
    public IReadOnlyCollection<UnmatchedPayment> Changed => _changed.Values;

    /// <summary>Payments to publish to their dead-letter topic, each once.</summary>
    public IReadOnlyCollection<OutgoingMessage> PaymentLetters => _paymentLetters.Values;

    /// <summary>Other messages to publish, with their topics.</summary>
    public IReadOnlyList<(string Topic, OutgoingMessage Message)> MessageLetters => _messageLetters;

    /// <summary>Dead letters to publish, by reason.</summary>
    public Dictionary<DeadLetterReason, int> LettersByReason { get; } = [];

    /// <summary>The ids of what was healed.</summary>
    public List<string> Healed { get; } = [];

    /// <summary>How many payments got a row.</summary>
    public int Parked { get; private set; }

    /// <summary>A row as the store has it.</summary>
    public void Know(UnmatchedPayment row) => _rows[(row.OrderId, row.PaymentKey)] = row;

    /// <summary>A payment waits for its order.</summary>
    public void Park(PaymentReceived payment)
    {
        Parked++;
        HealReplayed(payment);

        // One that was read from the dead letters was given up by whoever published it.
        var state = payment.Delivery is DeadLetterDelivery ? UnmatchedState.DeadLettered : UnmatchedState.Waiting;
        var row = UnmatchedRows.Encode(payment, DeadLetterReason.NoMatchingOrder, state, _nowMicros);
        if (!_rows.TryGetValue((row.OrderId, row.PaymentKey), out var existing))
        {
            Change(row);
            return;
        }

        if (existing.Stamp > payment.Stamp)
        {
            return;
        }

        // One that was dead-lettered already is not published again, unless an operator has sent it on its way anew;
        // its row takes what the newer message says.
        var replayed = payment.Replay is not null && payment.Stamp > existing.Stamp;
        row = existing.WithMessageOf(row) with { Replays = Math.Max(existing.Replays, row.Replays) };
        Change(existing.IsHealable && !replayed
            ? row
            : (row with { Reason = DeadLetterReason.NoMatchingOrder, Detail = "" }).Become(state, _nowMicros, replayed ? "replayed" : ""));
    }

    /// <summary>A payment is given up.</summary>
    public void GiveUp(DeadLetterPayment letter)
    {
        var payment = letter.Payment;
        HealReplayed(payment);
        var detail = Detail(letter);
        var row = UnmatchedRows.Encode(payment, letter.Reason, UnmatchedState.DeadLettered, _nowMicros, detail);
        Delivery source = payment.Delivery;
        if (_rows.TryGetValue((row.OrderId, row.PaymentKey), out var existing))
        {
            // The row and the letter say what the newest message of the payment says.
            var newest = existing.Stamp >= row.Stamp ? existing : row;
            source = existing.Stamp >= row.Stamp ? UnmatchedRows.Source(existing) : source;
            row = existing.WithMessageOf(newest) with
            {
                Reason = letter.Reason,
                Detail = detail,
                Replays = Math.Max(existing.Replays, row.Replays),
            };
            var isGivenUp = existing.State is UnmatchedState.DeadLettered or UnmatchedState.Discarded;
            if (isGivenUp && !_paymentLetters.ContainsKey(row.Id))
            {
                // It was published before: this is a redelivery, or a dead letter that turned out to be superseded.
                Change(row);
                return;
            }

            row = isGivenUp ? row : row.Become(UnmatchedState.DeadLettered, _nowMicros, detail);
        }

        Change(row);
        if (!_paymentLetters.ContainsKey(row.Id))
        {
            Count(letter.Reason);
        }

        _paymentLetters[row.Id] = DeadLetter.ToMessage(
            source, letter.Reason, detail, row.Id, now, row.OrderId, payment.Payment.PaymentId, row.Replays);
    }

    /// <summary>A message that is no payment of a known order is given up.</summary>
    public void GiveUp(DeadLetterMessage letter)
    {
        var row = UnmatchedRows.Encode(letter, _nowMicros);
        if (_rows.TryGetValue((row.OrderId, row.PaymentKey), out var existing))
        {
            row = existing.WithMessageOf(row) with
            {
                Reason = row.Reason,
                Detail = row.Detail,
                Replays = Math.Max(existing.Replays, row.Replays),
            };
        }

        row = row.Become(UnmatchedState.DeadLettered, _nowMicros, $"{letter.Reason.ToAttribute()}: {letter.Detail}");
        Change(row);
        if (letter.Topic is { } topic)
        {
            Count(letter.Reason);
            _messageLetters.Add((topic, DeadLetter.ToMessage(
                letter.Delivery, letter.Reason, letter.Detail, row.Id, now, letter.OrderId, letter.PaymentId, row.Replays)));
        }
    }

    /// <summary>The fact of a payment that had a row is durable.</summary>
    public void Heal(PaymentReceived payment)
    {
        // One that was superseded while its fact was being written stays superseded.
        if (_rows.TryGetValue((payment.OrderId, payment.Payment.Key), out var existing) && existing.IsHealable)
        {
            Heal(existing, "joined");
        }
    }

    /// <summary>What a replayed message caused is durable: the dead letter that it was is healed.</summary>
    public void HealReplayed(OrderMessage message)
    {
        if (message.Replay is { } replay
            && DeadLetterId.TryGetRowKey(replay.Id, out var key)
            && _rows.TryGetValue(key, out var row)
            && row is { IsMessage: true, State: UnmatchedState.DeadLettered or UnmatchedState.Discarded })
        {
            Heal(row, $"replayed as message {message.Delivery.MessageId}");
        }
    }

    /// <summary>A replayed payment is in its order's row, or a newer one of the same payment is.</summary>
    public void Joined(OrderMessage message)
    {
        HealReplayed(message);
        if (message is PaymentReceived { Replay: not null } payment
            && _rows.TryGetValue((payment.OrderId, payment.Payment.Key), out var row)
            && row.State != UnmatchedState.Healed
            && payment.Stamp > row.Stamp)
        {
            Heal(row, $"replayed as message {payment.Delivery.MessageId} and joined");
        }
    }

    private static string Detail(DeadLetterPayment letter) => letter.Reason switch
    {
        DeadLetterReason.NoMatchingOrder => $"no order {letter.Payment.OrderId} within the grace",
        DeadLetterReason.Superseded => $"order {letter.Payment.OrderId} has a newer payment",
        _ => "",
    };

    private void Heal(UnmatchedPayment row, string note)
    {
        Change(row.Become(UnmatchedState.Healed, _nowMicros, note));
        Healed.Add(row.Id);
    }

    private void Change(UnmatchedPayment row)
    {
        Know(row);
        _changed[(row.OrderId, row.PaymentKey)] = row;
    }

    private void Count(DeadLetterReason reason) => LettersByReason[reason] = LettersByReason.GetValueOrDefault(reason) + 1;
}
