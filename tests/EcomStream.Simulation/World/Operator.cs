using EcomStream.Core;

namespace EcomStream.Simulation;

/// <summary>
/// Discards dead letters of payments without an order, and then seeks the payments subscription back, so that their
/// messages are delivered again. Replays dead letters of payments.
/// </summary>
/// <param name="world">The world.</param>
internal sealed class Operator(SimulatedWorld world)
{
    private const long LatestSeek = 30 * Scenario.Second;
    private const long LatestRecord = 2 * Scenario.Second;

    private readonly Dictionary<(long OrderId, long PaymentId), SimulatedMessage> _discarded = [];

    /// <summary>Decides when.</summary>
    public void Plan()
    {
        var scenario = world.Scenario;
        for (var i = 0; i < scenario.Discards; i++)
        {
            var random = new Random(unchecked((scenario.Seed * 1_000_211) + i));
            world.Loop.After(random.NextInt64(scenario.Duration + FaultPlan.LongestFault - LatestSeek), "", () => Discard(random));
        }

        for (var i = 0; i < scenario.Replays; i++)
        {
            var random = new Random(unchecked((scenario.Seed * 1_000_621) + i));
            world.Loop.After(random.NextInt64(scenario.Duration + FaultPlan.LongestFault - LatestRecord), "", () => Replay(random));
        }
    }

    /// <summary>Whether a message is of a payment that was discarded, and not newer than the message in its row.</summary>
    public bool HasDiscarded(SimulatedMessage message) =>
        _discarded.TryGetValue((message.OrderId, message.PaymentId), out var discarded)
        && (message.Stamp, message.Mark).CompareTo((discarded.Stamp, discarded.Mark)) <= 0;

    /// <summary>Discarded payments without a newer message: their rows must stay as they are.</summary>
    public IEnumerable<SimulatedMessage> Discarded => _discarded.Values.Where(discarded =>
        world.Payments.Published.Where(message => message.OrderId == discarded.OrderId && message.PaymentId == discarded.PaymentId).All(HasDiscarded));

    private void Discard(Random random)
    {
        // Nothing of the order is on its way: a row that changes at this very moment would be discarded or not.
        var rows = world.Store.Rows.Unmatched
            .Where(row => row is { State: UnmatchedState.DeadLettered, Reason: DeadLetterReason.NoMatchingOrder } && !IsUnderWay(row.OrderId))
            .OrderBy(row => row.Id, StringComparer.Ordinal)
            .ToList();
        if (rows.Count == 0)
        {
            return;
        }

        var row = rows[random.Next(rows.Count)];
        var message = world.Payments.Published.Last(message => message.Id == row.MessageId);
        world.Note($"an operator discards {message}");
        world.Store.WriteUnmatched([row.Become(UnmatchedState.Discarded, world.BrokerMicros, "discarded")]);
        _discarded[(message.OrderId, message.PaymentId)] = message;
        foreach (var at in (long[])[0, random.NextInt64(LatestSeek)])
        {
            world.Loop.After(at, $"an operator seeks {world.Payments.Name} back", () => world.Payments.Seek(row.OrderId));
        }
    }

    // As the command does: the message is published, and the row is changed when the broker has confirmed it.
    private void Replay(Random random)
    {
        var rows = world.Store.Rows.Unmatched
            .Where(row => row is { IsMessage: false, State: UnmatchedState.DeadLettered or UnmatchedState.Discarded } && row.OrderId != world.Scenario.RejectedOrder)
            .OrderBy(row => row.Id, StringComparer.Ordinal)
            .ToList();
        if (rows.Count == 0)
        {
            return;
        }

        var row = rows[random.Next(rows.Count)];
        var replays = row.Replays + 1;
        world.Note($"an operator replays dead letter {row.Id} of {row.MessageId}");
        world.Publish(world.Payments, [SimulatedMessage.Replay(row with { Replays = replays })]);
        if (!Scenario.Chance(random, 0.1))
        {
            world.Loop.After(random.NextInt64(LatestRecord), $"an operator records replay {replays} of {row.Id}", () => Record(row, replays));
        }
    }

    private void Record(UnmatchedPayment replayed, int replays)
    {
        if (world.Store.Unmatched(replayed.OrderId).FirstOrDefault(row => row.PaymentKey == replayed.PaymentKey) is { } row)
        {
            world.Store.WriteUnmatched(
                [
                    row with
                    {
                        Replays = Math.Max(row.Replays, replays),
                        History = UnmatchedHistory.Append(row.History, world.BrokerMicros, row.State, $"replay {replays}"),
                    },
                ]);
        }
    }

    private bool IsUnderWay(long orderId) =>
        world.Orders.Published.Any(message => message.OrderId == orderId)
        || world.Payments.Published.Any(message => message.OrderId == orderId && !message.IsAcked)
        || world.Readers.Any(reader => reader.MayHold(orderId));
}
