using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Steps that fail: repeated, split until one order stands alone, and rows that the store rejects.</summary>
internal sealed partial class UnmatchedWriter
{
    private void WriteAgain(WriteFailed failed)
    {
        var batch = failed.Batch;
        foreach (var one in batch.Works)
        {
            one.WasWritten = true;
        }

        if (failed.Error is StoreRejectedException && batch.Works is [{ } work] && failed.Row is null)
        {
            WriteOneByOne(batch, work);
            return;
        }

        if (failed.Row is { } row && batch.Failures % 10 == 0)
        {
            _log.Error(failed.Error, "The store rejected the unmatched row {RowId}, the only place of its data; it is tried again", row.Id);
        }

        Failed(batch, failed.Error, "write", again => Write(again));
    }

    // A failure that another attempt may not cure is isolated first, so that it holds up one order only.
    private void Failed(UnmatchedBatch batch, Exception error, string operation, Action<UnmatchedBatch> attempt)
    {
        _metrics.Retried("dead-letter");
        if (error is not StoreUnavailableException && batch.Works.Count > 1)
        {
            var (first, second) = batch.Split();
            attempt(first);
            attempt(second);
            return;
        }

        _failures++;
        var again = batch with { Failures = batch.Failures + 1 };
        var delay = _settings.DeadLetterBackoff.After(again.Failures);
        if (again.Failures is 1 || again.Failures % 10 == 0)
        {
            _log.Warning(
                "The store failed to {Operation} the unmatched rows of {Orders} orders (attempt {Attempt}); their messages stay unacked, next attempt in {Delay:0.0} s: {Error}",
                operation, batch.Works.Count, again.Failures, delay.TotalSeconds, error.Message);
        }

        _retrying.Add(again);
        Timers.StartSingleTimer(++_timer, new RepeatStep(again, attempt), delay);
    }
}
