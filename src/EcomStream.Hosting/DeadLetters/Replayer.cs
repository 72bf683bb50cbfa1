using EcomStream.Core;

namespace EcomStream.Hosting;

/// <summary>
/// Publishes dead letters again and records it in their rows. A row whose payment names another order or payment now would
/// join that one by the replay and its own one later, so it is discarded before the message is published.
/// </summary>
/// <param name="store">The store.</param>
/// <param name="publisher">Where to publish.</param>
/// <param name="topicOf">The topic that a row came from; null where it is not known.</param>
/// <param name="timeout">How long one batch may take to publish.</param>
/// <param name="time">The clock.</param>
/// <param name="because">Why; it is kept in the history of each row. Empty for no reason.</param>
internal sealed class Replayer(
    IFactStore store, IPublisher publisher, Func<UnmatchedPayment, string?> topicOf, TimeSpan timeout, TimeProvider time, string because = "")
{
    private const int RecordAttempts = 5;
    private static readonly TimeSpan GraceOnStop = TimeSpan.FromSeconds(5);

    private readonly List<(UnmatchedPayment Row, string Reason)> _rejected = [];

    /// <summary>How long a batch may take unless the user says otherwise.</summary>
    public static TimeSpan DefaultTimeout { get; } = TimeSpan.FromSeconds(30);

    /// <summary>
    /// The rows that cannot be replayed, each with the reason: those that the service will never accept, such as one with more
    /// than 100 attributes, and those whose topic is not known. The others of their batches are replayed.
    /// </summary>
    public IReadOnlyList<(UnmatchedPayment Row, string Reason)> Rejected => _rejected;

    /// <summary>Names the rows that cannot be replayed; empty for none.</summary>
    public string DescribeRejected() =>
        _rejected.Count == 0 ? "" : $"Not replayed: {string.Join("; ", _rejected.Select(rejected => $"{rejected.Row.Id} ({rejected.Reason})"))}";

    /// <summary>
    /// Replays rows, and records each as soon as the broker has its message. Those that cannot be replayed are left out
    /// (<see cref="Rejected"/>) and stay as they are.
    /// </summary>
    /// <param name="rows">The rows as they were read.</param>
    /// <param name="published">Called with how many were published and recorded, also when others fail.</param>
    /// <param name="stop">Ends it: the request under way is given up after five seconds, and nothing else is begun.</param>
    /// <exception cref="TimeoutException">The broker did not confirm in time; nothing is recorded for the rows without an answer.</exception>
    /// <exception cref="PublishFailedException">The topic does not exist, or may not be published to.</exception>
    public async Task SendAsync(IReadOnlyList<UnmatchedPayment> rows, Action<int> published, CancellationToken stop)
    {
        foreach (var group in rows.GroupBy(topicOf))
        {
            if (group.Key is not { } topic)
            {
                _rejected.AddRange(group.Select(row => (row, $"it came from the subscription {row.Subscription}, which is not one of this pipeline")));
                continue;
            }

            await ReplayAsync(topic, [.. group.Where(row => MovesTo(row) is null)], published, stop);

            // One by one: at most one row can be left without an answer.
            foreach (var row in group.Where(row => MovesTo(row) is not null))
            {
                await MoveAsync(topic, row, published, stop);
            }
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

    private async Task ReplayAsync(string topic, List<UnmatchedPayment> rows, Action<int> published, CancellationToken stop)
    {
        var sent = rows.ConvertAll(row => row with { Replays = row.Replays + 1 });
        var open = sent.Count;
        var bisection = new PublishBisection(
            messages =>
            {
                stop.ThrowIfCancellationRequested();
                return PublishAsync(topic, messages, stop);
            },
            async accepted =>
            {
                open -= accepted.Count;
                foreach (var index in accepted)
                {
                    await RecordAsync(sent[index], topic);
                }

                published(accepted.Count);
            },
            (index, refusal) =>
            {
                open--;
                _rejected.Add((rows[index], refusal.Message));
            });
        try
        {
            await bisection.PublishAsync(sent.ConvertAll(row => row.ToReplay()));
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw NotConfirmed(open, topic);
        }
    }

    private async Task MoveAsync(string topic, UnmatchedPayment row, Action<int> published, CancellationToken stop)
    {
        stop.ThrowIfCancellationRequested();
        if (await HoldAsync(row, topic) is not { } held)
        {
            return;
        }

        try
        {
            await PublishAsync(topic, [held.ToReplay()], stop);
        }
        catch (PublishFailedException refusal) when (refusal.Fault == PublishFault.Message)
        {
            await store.ChangeUnmatchedAsync([new UnmatchedChange(held, row)], CancellationToken.None);
            _rejected.Add((row, refusal.Message));
            return;
        }
        catch (PublishFailedException refusal) when (!refusal.IsUncertain)
        {
            await store.ChangeUnmatchedAsync([new UnmatchedChange(held, row)], CancellationToken.None);
            throw;
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            throw NotConfirmed(1, topic);
        }

        await store.ChangeUnmatchedAsync(
            [new UnmatchedChange(held, held with { Detail = $"moved to {MovesTo(held)} by a replay" })], CancellationToken.None);
        published(1);
    }

    // Its own order does not heal it from here on. If the message is not confirmed, it stays like this and says so.
    private async Task<UnmatchedPayment?> HoldAsync(UnmatchedPayment row, string topic)
    {
        var nowMicros = Timestamps.Micros(time.GetUtcNow());
        var held = row.Become(UnmatchedState.Discarded, nowMicros, Note(row.Replays + 1, topic, $" as {MovesTo(row)}")) with
        {
            Replays = row.Replays + 1,
            Detail = $"moves to {MovesTo(row)}: its replay is not confirmed, replay it again",
        };
        return (await store.ChangeUnmatchedAsync([new UnmatchedChange(row, held)], CancellationToken.None))[0] ? held : null;
    }

    private async Task PublishAsync(string topic, IReadOnlyList<OutgoingMessage> messages, CancellationToken stop)
    {
        using var limit = new CancellationTokenSource(timeout, time);
        await using var onStop = stop.Register(() => limit.CancelAfter(GraceOnStop));
        await publisher.PublishAsync(topic, messages, limit.Token);
    }

    private TimeoutException NotConfirmed(int messages, string topic) => new(
        $"The broker did not confirm {messages} messages to {topic} within {timeout.TotalSeconds:0.#} s. Check that it runs and answers, and replay again.");

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
