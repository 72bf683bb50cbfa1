using System.CommandLine;
using EcomStream.Core;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary><c>ecomstream dlq replay</c>: publishes dead letters again to the topics that they came from.</summary>
internal static class ReplayCommand
{
    public static Command Create(CommandContext context)
    {
        var common = new CommonOptions(context);
        var selection = new RowSelection(context, [UnmatchedState.DeadLettered, UnmatchedState.Discarded]);
        var rate = Options.Rate("--rate", 0, "Messages per second at most; 0 for no limit");
        var timeout = Options.Duration("--timeout", "How long the broker may take to confirm a batch; 30s when left out");
        var replay = new Command("replay", "Publish dead letters again to the topics that they came from, as new messages") { rate, timeout };
        selection.AddTo(replay);
        common.AddTo(replay);
        return replay.Runs(context, async (result, stop) =>
        {
            var settings = common.Read(result);
            await using var store = await StoreAccess.OpenAsync(settings, stop);
            var groups = new SortedDictionary<(string Reason, string Topic), int>();

            // All of them first: what arrives while this works may be the replay of what this sent.
            var plan = await RowPlan.ReadAsync(selection.ReadAsync(store, result, stop), stop, row =>
            {
                var group = (row.Reason.ToAttribute(), ReplayTopics.Of(row, settings) ?? "no topic");
                groups[group] = groups.GetValueOrDefault(group) + 1;
            });
            var summary = plan.Count == 0 ? "there are none" : string.Join(", ", groups.Select(g => $"{g.Value} {g.Key.Reason} to {g.Key.Topic}"));
            if (selection.IsDryRun(result) || plan.Count == 0)
            {
                await context.Out.WriteLineAsync($"{(selection.IsDryRun(result) ? "would replay" : "replayed")} {plan.Count}: {summary}");
                return Exit.Ok;
            }

            await using var pubSub = await PubSubAccess.OpenAsync(settings, stop);
            var replayer = new Replayer(
                store, pubSub.Publisher, row => ReplayTopics.Of(row, settings), result.GetValue(timeout) ?? Replayer.DefaultTimeout, context.Time);
            var pace = new Pace(result.GetValue(rate), context.Time);
            var replayed = await plan.RunAsync(context, store, "replayed", pace, replayer.SendAsync, stop, replayer.DescribeRejected);
            await context.Out.WriteLineAsync($"replayed {replayed}: {summary}{plan.Skipped(replayed + replayer.Rejected.Count)}");
            return replayer.Rejected.Count == 0 ? Exit.Ok : throw new CommandFailedException(replayer.DescribeRejected());
        });
    }
}
