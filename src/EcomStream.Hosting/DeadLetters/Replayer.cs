using EcomStream.Core;

namespace EcomStream.Hosting;

/// <summary>
/// Publishes dead letters again and records it in their rows. A row whose payment names another order or payment now would
/// join that one by the replay and its own one later, so it is discarded before the message is published.
/// </summary>
/// <param name="store">The store.</param>
/// <param name="publisher">Where to publish.</param>
/// <param name="topicOf">The topic that a row came from.</param>
/// <param name="timeout">How long one batch may take to publish.</param>
/// <param name="time">The clock.</param>
/// <param name="because">Why; it is kept in the history of each row. Empty for no reason.</param>
internal sealed class Replayer(
    IFactStore store, IPublisher publisher, Func<UnmatchedPayment, string> topicOf, TimeSpan timeout, TimeProvider time, string because = "")
{
    private const int RecordAttempts = 5;
    private static readonly TimeSpan GraceOnStop = TimeSpan.FromSeconds(5);

    private readonly List<(UnmatchedPayment Row, string Reason)> _rejected = [];

    /// <summary>How long a batch may take unless the user says otherwise.</summary>
    public static TimeSpan DefaultTimeout { get; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The rows that the service will never accept, such as one with more than 100 attributes, each with the reason. They are
    /// not replayed; the others of their batches are.
    /// </summary>
    public IReadOnlyList<(UnmatchedPayment Row, string Reason)> Rejected => _rejected;

    /// <summary>Replays rows. Those that the service will never accept are left out (<see cref="Rejected"/>).</summary>
    /// <param name="rows">The rows as they were read.</param>
    /// <param name="published">Called with how many were published and recorded.</param>
    /// <param name="stop">Gives the publish up, five seconds after it is cancelled.</param>
    /// <exception cref="TimeoutException">The broker did not confirm in time; nothing is recorded for its rows.</exception>
    public async Task SendAsync(IReadOnlyList<UnmatchedPayment> rows, Action<int> published, CancellationToken stop)
    {
        foreach (var topic in rows.GroupBy(topicOf))
        {
            var moving = topic.Where(row => MovesTo(row) is not null).ToList();
            var held = await HoldAsync(moving, topic.Key);
            var staying = topic.Except(moving).Select(row => row with { Replays = row.Replays + 1 }).ToList();
            List<UnmatchedPayment> sent = [.. staying, .. held];
            if (sent.Count == 0)
            {
                continue;
            }

            var accepted = (await PublishAsync(topic.Key, sent, stop)).ToHashSet();
            await ConfirmMovesAsync([.. held.Where(accepted.Contains)]);
            foreach (var row in staying.Where(accepted.Contains))
            {
                await RecordAsync(row, topic.Key);
            }

            published(accepted.Count);
        }
    }

    /// <summary>The payment that a row's data names, where it is not that of the row; null where it is.</summary>
    public static string? MovesTo(UnmatchedPayment row)
    {
        if (row.IsMessage || !PaymentCodec.TryDecode(row.Data.Span, out var payment, out _)
            || (payment.OrderId == row.OrderId && payment.Key == row.PaymentKey))
        {
            return null;
        }

        // A payment without an id is known by its message, and a replay is another message.
        return payment.Key is { } key ? DeadLetterId.OfPayment(payment.OrderId, key) : $"a new message of order {payment.OrderId}";
    }

    // Their own orders do not heal them from here on. If the message is not confirmed, they stay like this and say so.
    private async Task<List<UnmatchedPayment>> HoldAsync(List<UnmatchedPayment> rows, string topic)
    {
        var nowMicros = Timestamps.Micros(time.GetUtcNow());
        var changes = rows.ConvertAll(row => new UnmatchedChange(row, row.Become(
            UnmatchedState.Discarded, nowMicros, Note(row.Replays + 1, topic, $" as {MovesTo(row)}")) with
        {
            Replays = row.Replays + 1,
            Detail = $"moves to {MovesTo(row)}: its replay is not confirmed, replay it again",
        }));
        var applied = await store.ChangeUnmatchedAsync(changes, CancellationToken.None);
        return [.. changes.Where((_, i) => applied[i]).Select(change => change.After)];
    }

    private async Task ConfirmMovesAsync(List<UnmatchedPayment> held) =>
        await store.ChangeUnmatchedAsync(
            [.. held.Select(row => new UnmatchedChange(row, row with { Detail = $"moved to {MovesTo(row)} by a replay" }))], CancellationToken.None);

    // The rows that were published. One message that the service will never accept fails its whole request: bisecting finds it.
    private async Task<List<UnmatchedPayment>> PublishAsync(string topic, List<UnmatchedPayment> rows, CancellationToken stop)
    {
        using var limit = new CancellationTokenSource(timeout, time);
        await using var onStop = stop.Register(() => limit.CancelAfter(GraceOnStop));
        try
        {
            await publisher.PublishAsync(topic, [.. rows.Select(row => row.ToReplay())], limit.Token);
            return rows;
        }
        catch (PublishFailedException refused) when (refused.Fault == PublishFault.Message && rows.Count == 1)
        {
            _rejected.Add((rows[0], refused.Message));
            return [];
        }
        catch (PublishFailedException refused) when (refused.Fault == PublishFault.Message)
        {
            var half = rows.Count / 2;
            return [.. await PublishAsync(topic, rows[..half], stop), .. await PublishAsync(topic, rows[half..], stop)];
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw new TimeoutException(
                $"The broker did not confirm {rows.Count} messages to {topic} within {timeout.TotalSeconds:0.#} s. Check that it runs and answers, and replay again.");
        }
    }

    // The pipeline may have the message already, and its row with it: what it wrote stays, and this is added to it.
    private async Task RecordAsync(UnmatchedPayment replayed, string topic)
    {
        var note = Note(replayed.Replays, topic);
        var before = replayed with { Replays = replayed.Replays - 1 };
        for (var attempt = 0; attempt < RecordAttempts; attempt++)
        {
            var after = before with
            {
                Replays = Math.Max(before.Replays, replayed.Replays),
                History = UnmatchedHistory.Append(before.History, Timestamps.Micros(time.GetUtcNow()), before.State, note),
            };
            if ((await store.ChangeUnmatchedAsync([new UnmatchedChange(before, after)], CancellationToken.None))[0])
            {
                return;
            }

            var now = await store.ReadUnmatchedRowsAsync([(replayed.OrderId, replayed.PaymentKey)], CancellationToken.None);
            if (now is not [var row] || UnmatchedHistory.Lines(row.History).Any(line => line.EndsWith(note, StringComparison.Ordinal)))
            {
                return;
            }

            before = row;
        }
    }

    private string Note(int replay, string topic, string target = "") => $"replay {replay} to {topic}{target}{(because.Length > 0 ? ": " + because : "")}";
}
