using System.CommandLine;
using EcomStream.Core;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary><c>ecomstream dlq replay</c>: gives dead letters back to the topics that they came from.</summary>
internal static class ReplayCommand
{
    private const int BatchSize = 200;
    private static readonly UnmatchedState[] _replayable = [UnmatchedState.DeadLettered, UnmatchedState.Discarded];

    public static Command Create()
    {
        var common = new CommonOptions();
        var selection = new RowSelection();
        var replay = new Command("replay", "Publish dead letters again to the topics that they came from, as new messages");
        selection.AddTo(replay);
        common.AddTo(replay);
        replay.SetAction((result, stop) => Exit.CodeOf(async () =>
        {
            var settings = common.Read(result);
            await using var store = await StoreAccess.OpenAsync(settings, stop);

            // All of them first: what arrives while this works may be the replay of what this sent.
            var rows = await selection.ReadAsync(store, result, _replayable, stop).Select(row => (Row: row, Topic: TopicOf(row, settings))).ToListAsync(stop);
            if (selection.IsDryRun(result))
            {
                Console.WriteLine($"would replay {rows.Count}: {Summary(rows)}");
                return Exit.Ok;
            }

            if (rows.Count > 0)
            {
                await using var pubSub = await PubSubAccess.OpenAsync(settings, stop);
                foreach (var batch in rows.Chunk(BatchSize))
                {
                    await SendAsync(batch, store, pubSub.Publisher, stop);
                }
            }

            Console.WriteLine($"replayed {rows.Count}: {Summary(rows)}");
            return Exit.Ok;
        }));
        return replay;
    }

    // The row first: once the message is out, the pipeline changes the row.
    private static async Task SendAsync(
        IReadOnlyList<(UnmatchedPayment Row, string Topic)> batch, IFactStore store, IPublisher publisher, CancellationToken stop)
    {
        var nowMicros = Timestamps.Micros(TimeProvider.System.GetUtcNow());
        var counted = batch
            .Select(chosen => (Row: chosen.Row with
            {
                Replays = chosen.Row.Replays + 1,
                History = UnmatchedHistory.Append(chosen.Row.History, nowMicros, chosen.Row.State, $"replay {chosen.Row.Replays + 1} to {chosen.Topic}"),
            }, chosen.Topic))
            .ToList();
        await store.WriteUnmatchedAsync([.. counted.Select(replay => replay.Row)], stop);
        foreach (var topic in counted.GroupBy(replay => replay.Topic, replay => replay.Row.ToReplay()))
        {
            await publisher.PublishAsync(topic.Key, [.. topic], stop);
        }
    }

    private static string TopicOf(UnmatchedPayment row, HostSettings settings) =>
        row.Subscription == settings.Pipeline.OrdersSubscription ? settings.OrdersTopic
        : row.Subscription == settings.Pipeline.PaymentsSubscription || !row.IsMessage ? settings.PaymentsTopic
        : throw new UsageException($"{row.Id} came from the subscription {row.Subscription}, which is neither {settings.Pipeline.OrdersSubscription} nor {settings.Pipeline.PaymentsSubscription}.");

    private static string Summary(List<(UnmatchedPayment Row, string Topic)> rows) => rows.Count == 0
        ? "there are none"
        : string.Join(", ", rows.GroupBy(r => (Reason: r.Row.Reason.ToAttribute(), r.Topic)).Select(g => $"{g.Count()} {g.Key.Reason} to {g.Key.Topic}"));
}
