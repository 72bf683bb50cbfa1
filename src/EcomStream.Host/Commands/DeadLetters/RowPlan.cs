using EcomStream.Core;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary>
/// The rows that a command is about to change: their keys and states alone, so that memory stays small. Each batch is read
/// again before it is changed, and what has changed since is left alone.
/// </summary>
internal sealed class RowPlan
{
    private readonly List<(long OrderId, string PaymentKey, UnmatchedState State)> _rows = [];

    /// <summary>How many rows there are.</summary>
    public int Count => _rows.Count;

    /// <summary>Reads the rows.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="stop">Ends it.</param>
    /// <param name="check">Called with each row; throws for one that cannot be handled.</param>
    public static async Task<RowPlan> ReadAsync(IAsyncEnumerable<UnmatchedPayment> rows, CancellationToken stop, Action<UnmatchedPayment>? check = null)
    {
        var plan = new RowPlan();
        await foreach (var row in rows.WithCancellation(stop))
        {
            check?.Invoke(row);
            plan._rows.Add((row.OrderId, row.PaymentKey, row.State));
        }

        return plan;
    }

    /// <summary>The part of a summary that names the rows that were left alone; empty for none.</summary>
    public string Skipped(int changed) => changed == Count ? "" : $"; {Count - changed} had changed in the meantime and were left alone";

    /// <summary>Changes the rows, batch by batch.</summary>
    /// <param name="context">The process.</param>
    /// <param name="store">The store.</param>
    /// <param name="verb">What is done, such as "discarded".</param>
    /// <param name="pace">How fast, and how many at once.</param>
    /// <param name="work">Changes a batch, and calls its second argument with how many of its rows took the change.</param>
    /// <param name="stop">Ends it between two batches.</param>
    /// <param name="remark">What the message of an error is to say besides, such as which rows were rejected; empty for nothing.</param>
    /// <returns>How many rows took the change.</returns>
    /// <exception cref="CommandInterruptedException">It was stopped; the message says how far it came.</exception>
    /// <exception cref="CommandFailedException">The store or the broker failed; the message says how far it came.</exception>
    public async Task<int> RunAsync(
        CommandContext context,
        IFactStore store,
        string verb,
        Pace pace,
        Func<IReadOnlyList<UnmatchedPayment>, Action<int>, CancellationToken, Task> work,
        CancellationToken stop,
        Func<string>? remark = null)
    {
        using var progress = new ProgressReport(context, verb, Count);
        var (done, changed) = (0, 0);
        try
        {
            foreach (var batch in _rows.Chunk(pace.BatchSize))
            {
                stop.ThrowIfCancellationRequested();
                await pace.WaitAsync(batch.Length, stop);
                var states = batch.ToDictionary(row => (row.OrderId, row.PaymentKey), row => row.State);
                var rows = (await store.ReadUnmatchedRowsAsync([.. states.Keys], stop))
                    .Where(row => states[(row.OrderId, row.PaymentKey)] == row.State)
                    .OrderBy(UnmatchedCursor.Of)
                    .ToList();
                await work(rows, count => changed += count, stop);
                done += batch.Length;
                progress.Report(done);
            }

            return changed;
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            throw new CommandInterruptedException(With($"{verb} {changed} of {Count}.", remark));
        }
        catch (Exception error) when (error is StoreUnavailableException or TimeoutException or PublishFailedException)
        {
            throw new CommandFailedException(With($"{error.Message} Of {Count} rows, {changed} were {verb}.", remark));
        }
    }

    private static string With(string message, Func<string>? remark) => $"{message} {remark?.Invoke()}".TrimEnd();
}
