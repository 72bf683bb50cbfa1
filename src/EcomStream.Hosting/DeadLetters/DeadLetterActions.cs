using EcomStream.Core;

namespace EcomStream.Hosting;

/// <summary>Replays and discards dead letters of a store.</summary>
internal sealed class DeadLetterActions(HostSettings settings, IFactStore store, IPublisher publisher, TimeProvider time)
{
    private const int BatchSize = 200;

    private static readonly UnmatchedState[] _replayable = [UnmatchedState.DeadLettered, UnmatchedState.Discarded];
    private static readonly UnmatchedState[] _discardable = [UnmatchedState.DeadLettered];

    /// <summary>The states of a row that allow an action.</summary>
    public static IReadOnlyList<UnmatchedState> Allowed(DeadLetterAction action) =>
        action == DeadLetterAction.Replay ? _replayable : _discardable;

    /// <summary>
    /// Handles the rows with the given keys, in batches. Each row is read again just before; a row whose state does not
    /// allow the action any more is skipped.
    /// </summary>
    /// <param name="action">What is done.</param>
    /// <param name="keys">The keys of the rows.</param>
    /// <param name="reason">Why; it is kept in the history of each row.</param>
    /// <param name="operation">Receives the progress.</param>
    /// <param name="cancellationToken">Ends it between two batches.</param>
    public async Task RunAsync(
        DeadLetterAction action,
        IReadOnlyList<(long OrderId, string PaymentKey)> keys,
        string reason,
        DeadLetterOperation operation,
        CancellationToken cancellationToken)
    {
        var replayer = new Replayer(
            store, publisher, row => ReplayTopics.Of(row, settings), Replayer.DefaultTimeout, time, reason);
        try
        {
            foreach (var batch in keys.Chunk(BatchSize))
            {
                cancellationToken.ThrowIfCancellationRequested();
                var rows = (await store.ReadUnmatchedRowsAsync(batch, cancellationToken)).Where(row => Allowed(action).Contains(row.State)).ToList();
                var done = 0;
                try
                {
                    await (action == DeadLetterAction.Replay
                        ? replayer.SendAsync(rows, count => done += count, cancellationToken)
                        : DiscardAsync(rows, reason, count => done += count, cancellationToken));
                }
                catch
                {
                    operation.Advance(done, 0);
                    throw;
                }

                operation.Advance(done, batch.Length - done);
            }

            operation.Finish(replayer.Rejected.Count == 0 ? null : replayer.DescribeRejected());
        }
        catch (Exception error)
        {
            operation.Finish($"{(error is OperationCanceledException ? "The process stopped." : error.Message)} {replayer.DescribeRejected()}".TrimEnd());
        }
    }

    // What has changed since it was read is left alone.
    private async Task DiscardAsync(List<UnmatchedPayment> rows, string reason, Action<int> done, CancellationToken cancellationToken)
    {
        var applied = await store.ChangeUnmatchedAsync(
            [
                .. rows.Select(row => new UnmatchedChange(
                    row, row.Become(UnmatchedState.Discarded, Now, reason) with { Detail = $"{reason} (was: {row.Detail})" })),
            ],
            cancellationToken);
        done(applied.Count(isApplied => isApplied));
    }

    private long Now => Timestamps.Micros(time.GetUtcNow());
}
