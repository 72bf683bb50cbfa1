using System.CommandLine;
using EcomStream.Core;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary><c>ecomstream dlq discard</c>: gives dead letters up, with a record of why.</summary>
internal static class DiscardCommand
{
    public static Command Create(CommandContext context)
    {
        var common = new CommonOptions(context);
        var selection = new RowSelection(context, [UnmatchedState.DeadLettered]);
        var because = new Option<string>("--because") { Description = "The reason; it is kept in the row", Required = true, HelpName = "text" };
        var discard = new Command("discard", "Mark dead letters as discarded: they are not joined when their order arrives, and their rows are kept as a record") { because };
        selection.AddTo(discard);
        common.AddTo(discard);
        return discard.Runs(context, async (result, stop) =>
        {
            var why = result.GetValue(because);
            if (string.IsNullOrWhiteSpace(why))
            {
                throw new UsageException("--because: give a reason; it is kept in the row.");
            }

            await using var store = await StoreAccess.OpenAsync(common.Read(result), stop);
            var plan = await RowPlan.ReadAsync(selection.ReadAsync(store, result, stop), stop);
            if (selection.IsDryRun(result))
            {
                await context.Out.WriteLineAsync($"would discard {plan.Count}");
                return Exit.Ok;
            }

            var changed = await plan.RunAsync(context, store, "discarded", new Pace(0, context.Time), async (batch, changes, _) =>
            {
                var nowMicros = Timestamps.Micros(context.Time.GetUtcNow());
                var done = await store.ChangeUnmatchedAsync(
                    [.. batch.Select(row => new UnmatchedChange(row, row.Become(UnmatchedState.Discarded, nowMicros, why) with { Detail = $"{why} (was: {row.Detail})" }))],
                    CancellationToken.None);
                changes(done.Count(applied => applied));
            }, stop);
            await context.Out.WriteLineAsync($"discarded {changed}{plan.Skipped(changed)}");
            return Exit.Ok;
        });
    }
}
