using System.CommandLine;
using EcomStream.Core;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary><c>ecomstream dlq discard</c>: gives dead letters up, with a record of why.</summary>
internal static class DiscardCommand
{
    private const int BatchSize = 500;

    public static Command Create()
    {
        var common = new CommonOptions();
        var selection = new RowSelection();
        var because = new Option<string>("--because") { Description = "Why; it is kept", Required = true };
        var discard = new Command("discard", "Give dead letters up: no order heals them any more, and the record stays") { because };
        selection.AddTo(discard);
        common.AddTo(discard);
        discard.SetAction((result, stop) => Exit.CodeOf(async () =>
        {
            var why = result.GetValue(because);
            if (string.IsNullOrWhiteSpace(why))
            {
                throw new UsageException("--because: say why, it is kept.");
            }

            await using var store = await StoreAccess.OpenAsync(common.Read(result), stop);
            var rows = await selection.ReadAsync(store, result, [UnmatchedState.DeadLettered], stop).ToListAsync(stop);
            if (selection.IsDryRun(result))
            {
                Console.WriteLine($"would discard {rows.Count}");
                return Exit.Ok;
            }

            var nowMicros = Timestamps.Micros(TimeProvider.System.GetUtcNow());
            foreach (var batch in rows.Chunk(BatchSize))
            {
                await store.WriteUnmatchedAsync([.. batch.Select(row => row.Become(UnmatchedState.Discarded, nowMicros, why) with { Detail = $"{why} (was: {row.Detail})" })], stop);
            }

            Console.WriteLine($"discarded {rows.Count}");
            return Exit.Ok;
        }));
        return discard;
    }
}
