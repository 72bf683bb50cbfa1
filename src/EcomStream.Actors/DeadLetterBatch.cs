using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// Some commands of the <see cref="DeadLetterSink"/>, carried out together: one read, one publish per topic, one
/// write. Running it again after a failure repeats at most the publish, with the same dead-letter ids.
/// </summary>
internal sealed class DeadLetterBatch(SinkContext context, IReadOnlyList<SinkCommand> commands)
{
    private readonly Dictionary<(long, string), UnmatchedPayment> _rows = [];
    private readonly Dictionary<(long, string), UnmatchedPayment> _changed = [];
    private readonly Dictionary<string, OutgoingMessage> _paymentLetters = [];
    private bool _published;

    public int Count => commands.Count;

    /// <summary>Dead letters published, by reason; known when it has run.</summary>
    public Dictionary<DeadLetterReason, int> PublishedByReason { get; } = [];

    /// <summary>The orders of the payments that were healed; known when it has run.</summary>
    public List<long> HealedOrders { get; } = [];

    /// <summary>How many payments got a row; known when it has run.</summary>
    public int Parked { get; private set; }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (!_published)
        {
            await ReadRows(cancellationToken);
            foreach (var command in commands)
            {
                Apply(command);
            }

            await Publish(cancellationToken);
            _published = true;
        }

        if (_changed.Count > 0)
        {
            await context.Store.WriteUnmatchedAsync([.. _changed.Values], cancellationToken);
        }

        Settle();
    }

    private async Task ReadRows(CancellationToken cancellationToken)
    {
        _rows.Clear();
        _changed.Clear();
        _paymentLetters.Clear();
        PublishedByReason.Clear();
        HealedOrders.Clear();
        Parked = 0;

        // A first row, by far the most frequent command, needs no read where the index has no row of the order; a
        // superseded payment may have a row that the index does not list.
        var orderIds = commands
            .SelectMany(command => command switch
            {
                ParkPayments park => park.Payments.Select(p => p.OrderId).Where(context.Index.Contains),
                DeadLetterPayments letters => letters.Payments.Select(p => p.Payment.OrderId),
                HealPayments heal => heal.Payments.Select(p => p.OrderId),
                _ => [],
            })
            .Distinct()
            .ToList();
        if (orderIds.Count == 0)
        {
            return;
        }

        foreach (var row in await context.Store.ReadUnmatchedAsync(orderIds, cancellationToken))
        {
            _rows[(row.OrderId, row.PaymentKey)] = row;
        }
    }

    private void Apply(SinkCommand command)
    {
        switch (command)
        {
            case ParkPayments park:
                foreach (var payment in park.Payments)
                {
                    Park(payment);
                }

                break;
            case DeadLetterPayments letters:
                foreach (var letter in letters.Payments)
                {
                    DeadLetter(letter);
                }

                break;
            case HealPayments heal:
                foreach (var payment in heal.Payments)
                {
                    Heal(payment);
                }

                break;
        }
    }

    private void Park(PaymentReceived payment)
    {
        Parked++;
        var row = UnmatchedRows.Encode(payment, DeadLetterReason.NoMatchingOrder, UnmatchedState.Waiting, NowMicros);
        if (_rows.TryGetValue((row.OrderId, row.PaymentKey), out var existing))
        {
            if (existing.Stamp > row.Stamp)
            {
                return;
            }

            // One that was dead-lettered already is not published again; its row takes what the newer message says.
            row = row with { State = existing.IsHealable ? existing.State : row.State, SinceMicros = existing.SinceMicros, Replays = existing.Replays };
        }

        Change(row);
    }

    private void DeadLetter(DeadLetterPayment letter)
    {
        var payment = letter.Payment;
        var source = payment.Delivery;
        var row = UnmatchedRows.Encode(payment, letter.Reason, UnmatchedState.DeadLettered, NowMicros) with
        {
            Detail = Detail(letter),
        };
        if (_rows.TryGetValue((row.OrderId, row.PaymentKey), out var existing))
        {
            row = row with { SinceMicros = existing.SinceMicros, Replays = existing.Replays };
            if (existing.Stamp >= row.Stamp)
            {
                // The row and the letter say what the newest message of the payment says.
                source = new StoredDelivery(existing.Data, existing.MessageId, existing.PublishTimeMicros, existing.Subscription);
                row = row with
                {
                    Data = existing.Data,
                    MessageId = existing.MessageId,
                    PublishTimeMicros = existing.PublishTimeMicros,
                    Subscription = existing.Subscription,
                };
            }

            if (existing.State is (UnmatchedState.DeadLettered or UnmatchedState.Discarded) && !_paymentLetters.ContainsKey(row.DeadLetterId))
            {
                // It was published before: this is a redelivery, or a dead letter that turned out to be superseded.
                Change(row with { State = existing.State });
                return;
            }
        }

        Change(row);
        if (!_paymentLetters.ContainsKey(row.DeadLetterId))
        {
            CountPublished(letter.Reason);
        }

        _paymentLetters[row.DeadLetterId] = Core.DeadLetter.ToMessage(
            source, letter.Reason, row.Detail, row.DeadLetterId, context.Time.GetUtcNow(), row.OrderId, payment.Payment.PaymentId, row.Replays);
    }

    private void Heal(PaymentReceived payment)
    {
        // One that was superseded while its fact was being written stays superseded.
        if (_rows.TryGetValue((payment.OrderId, payment.Payment.Key), out var existing) && existing.IsHealable)
        {
            Change(existing with { State = UnmatchedState.Healed, ChangedMicros = NowMicros });
            HealedOrders.Add(payment.OrderId);
        }
    }

    private async Task Publish(CancellationToken cancellationToken)
    {
        var byTopic = commands.OfType<DeadLetterMessage>()
            .Select(letter => (letter.Topic, Message: ToMessage(letter)))
            .Concat(_paymentLetters.Values.Select(message => (Topic: context.Settings.PaymentsDeadLetterTopic, Message: message)))
            .GroupBy(letter => letter.Topic, letter => letter.Message);
        foreach (var topic in byTopic)
        {
            await context.Publisher.PublishAsync(topic.Key, [.. topic], cancellationToken);
        }
    }

    private OutgoingMessage ToMessage(DeadLetterMessage letter)
    {
        CountPublished(letter.Reason);
        return Core.DeadLetter.ToMessage(
            letter.Delivery,
            letter.Reason,
            letter.Detail,
            $"{letter.Delivery.Subscription}-{letter.Delivery.MessageId}",
            context.Time.GetUtcNow(),
            letter.OrderId,
            letter.PaymentId,
            replays: 0);
    }

    private void Settle()
    {
        // Of an order that changed, every row that could be healed is known here: it was read, or the index had none.
        foreach (var rows in _rows.Values.GroupBy(row => row.OrderId))
        {
            if (rows.Any(row => row.State == UnmatchedState.Waiting))
            {
                context.Index.Set(rows.Key, UnmatchedState.Waiting);
            }
            else if (rows.Any(row => row.IsHealable))
            {
                context.Index.Set(rows.Key, UnmatchedState.DeadLettered);
            }
            else
            {
                context.Index.Remove(rows.Key);
            }
        }

        foreach (var command in commands)
        {
            switch (command)
            {
                case ParkPayments park:
                    Ack(park.Payments);
                    park.ReplyTo.Tell(PaymentsParked.Instance, ActorRefs.NoSender);
                    break;
                case DeadLetterPayments letters:
                    Ack(letters.Payments.Select(letter => letter.Payment));
                    letters.ReplyTo.Tell(PaymentsDeadLettered.Instance, ActorRefs.NoSender);
                    break;
                case DeadLetterMessage letter:
                    letter.Delivery.Ack();
                    break;
            }
        }
    }

    private static void Ack(IEnumerable<PaymentReceived> payments)
    {
        foreach (var payment in payments)
        {
            payment.Delivery.Ack();
        }
    }

    private static string Detail(DeadLetterPayment letter) => letter.Reason switch
    {
        DeadLetterReason.NoMatchingOrder => $"no order {letter.Payment.OrderId} within the grace",
        DeadLetterReason.Superseded => $"order {letter.Payment.OrderId} has a newer payment",
        _ => "",
    };

    private void Change(UnmatchedPayment row)
    {
        _rows[(row.OrderId, row.PaymentKey)] = row;
        _changed[(row.OrderId, row.PaymentKey)] = row;
    }

    private void CountPublished(DeadLetterReason reason) =>
        PublishedByReason[reason] = PublishedByReason.GetValueOrDefault(reason) + 1;

    private long NowMicros => context.Time.GetUtcNow().ToUnixTimeMilliseconds() * 1_000;
}
