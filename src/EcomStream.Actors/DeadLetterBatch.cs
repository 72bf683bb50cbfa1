using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// Some commands of the <see cref="DeadLetterSink"/>, carried out together: one read, one publish per topic, one
/// write. Running it again after a failure repeats at most the publish, with the same dead-letter ids.
/// </summary>
internal sealed class DeadLetterBatch(SinkContext context, IReadOnlyList<SinkCommand> commands)
{
    private UnmatchedLedger? _published;

    public int Count => commands.Count;

    /// <summary>What it did; known when it has run.</summary>
    public UnmatchedLedger Ledger => _published ?? throw new InvalidOperationException("The batch has not run.");

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        if (_published is null)
        {
            var ledger = new UnmatchedLedger(context.Time.GetUtcNow());
            await ReadRows(ledger, cancellationToken);
            foreach (var command in commands)
            {
                Apply(command, ledger);
            }

            await Publish(ledger, cancellationToken);
            _published = ledger;
        }

        if (_published.Changed.Count > 0)
        {
            await context.Store.WriteUnmatchedAsync([.. _published.Changed], cancellationToken);
        }

        Index(_published);
        Settle();
    }

    private async Task ReadRows(UnmatchedLedger ledger, CancellationToken cancellationToken)
    {
        var orderIds = commands.SelectMany(OrdersToRead).Distinct().ToList();
        if (orderIds.Count > 0)
        {
            foreach (var row in await context.Store.ReadUnmatchedAsync(orderIds, cancellationToken))
            {
                ledger.Know(row);
            }
        }
    }

    // A first row, by far the most frequent command, needs no read where the index has no row of the order; a
    // superseded or replayed payment may have a row that the index does not list.
    private IEnumerable<long> OrdersToRead(SinkCommand command) => command switch
    {
        ParkPayments park => park.Payments
            .Where(p => p.Replay is not null || p.Delivery is DeadLetterDelivery || context.Index.Contains(p.OrderId))
            .SelectMany(OrdersOf),
        DeadLetterPayments letters => letters.Payments.SelectMany(letter => OrdersOf(letter.Payment)),
        HealPayments heal => heal.Payments.Select(p => p.OrderId),
        HealReplayed replayed => replayed.Messages.SelectMany(OrdersOf),
        RefreshIndex refresh => refresh.OrderIds,
        DeadLetterMessage letter => [DeadLetterId.OrderOfMessage(letter.RowId)],
        _ => [],
    };

    private static IEnumerable<long> OrdersOf(OrderMessage message)
    {
        yield return message.OrderId;
        if (message.Replay is { } replay && DeadLetterId.TryGetRowKey(replay.Id, out var key))
        {
            yield return key.OrderId;
        }
    }

    private static void Apply(SinkCommand command, UnmatchedLedger ledger)
    {
        switch (command)
        {
            case ParkPayments park:
                Each(park.Payments, ledger.Park);
                break;
            case DeadLetterPayments letters:
                Each(letters.Payments, ledger.GiveUp);
                break;
            case HealPayments heal:
                Each(heal.Payments, ledger.Heal);
                break;
            case HealReplayed replayed:
                Each(replayed.Messages, ledger.Joined);
                break;
            case DeadLetterMessage letter:
                ledger.GiveUp(letter);
                break;
        }

        static void Each<T>(IReadOnlyList<T> items, Action<T> apply)
        {
            foreach (var item in items)
            {
                apply(item);
            }
        }
    }

    private async Task Publish(UnmatchedLedger ledger, CancellationToken cancellationToken)
    {
        var byTopic = ledger.MessageLetters
            .Concat(ledger.PaymentLetters.Select(message => (Topic: context.Settings.PaymentsDeadLetterTopic, Message: message)))
            .GroupBy(letter => letter.Topic, letter => letter.Message);
        foreach (var topic in byTopic)
        {
            await context.Publisher.PublishAsync(topic.Key, [.. topic], cancellationToken);
        }
    }

    private void Index(UnmatchedLedger ledger)
    {
        foreach (var orderId in commands.OfType<RefreshIndex>().SelectMany(refresh => refresh.OrderIds))
        {
            context.Index.Remove(orderId);
        }

        // Of an order that changed, every row that could be healed is known here: it was read, or the index had none.
        foreach (var rows in ledger.Rows.Where(row => !row.IsMessage).GroupBy(row => row.OrderId))
        {
            var waiting = rows.Where(row => row.State == UnmatchedState.Waiting).ToList();
            if (waiting.Count > 0)
            {
                context.Index.SetWaiting(rows.Key, waiting.Min(row => row.PublishTimeMicros));
            }
            else if (rows.Any(row => row.IsHealable))
            {
                context.Index.SetDeadLettered(rows.Key);
            }
            else
            {
                context.Index.Remove(rows.Key);
            }
        }
    }

    private void Settle()
    {
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
}
