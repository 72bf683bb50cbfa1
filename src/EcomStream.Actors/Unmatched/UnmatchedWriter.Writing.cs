using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Writes of rows, each only if its row is as it was read where another program may have changed it.</summary>
internal sealed partial class UnmatchedWriter
{
    private void Write(UnmatchedBatch batch)
    {
        (UnmatchedWork Work, UnmatchedPayment Row)[] rows = [.. batch.Works.SelectMany(work => work.RowsToWrite.Select(row => (work, row)))];
        if (rows.Length == 0)
        {
            Complete(batch);
            return;
        }

        _writing++;
        WriteRowsAsync(rows).PipeTo(Self, success: stale => new RowsWritten(batch, stale), failure: error => new WriteFailed(batch, error, Row: null));
    }

    // Returns the work whose rows were not written because they are not as they were read.
    private async Task<IReadOnlySet<UnmatchedWork>> WriteRowsAsync(IReadOnlyList<(UnmatchedWork Work, UnmatchedPayment Row)> rows)
    {
        if (_settings.ConditionalRows)
        {
            var applied = await _store.ChangeUnmatchedAsync(
                [.. rows.Select(one => new UnmatchedChange(one.Work.Ledger!.Existing(one.Row.PaymentKey), one.Row))], CancellationToken.None);
            Interlocked.Add(ref _rowsWritten, applied.Count(isApplied => isApplied));
            return rows.Where((_, i) => !applied[i]).Select(one => one.Work).ToHashSet();
        }

        var stale = await FindStaleAsync([.. rows.Where(one => one.Work.WasWritten)]);
        UnmatchedPayment[] unchanged = [.. rows.Where(one => !stale.Contains(one.Work)).Select(one => one.Row)];
        if (unchanged.Length > 0)
        {
            await _store.WriteUnmatchedAsync(unchanged, CancellationToken.None);
            Interlocked.Add(ref _rowsWritten, unchanged.Length);
        }

        return stale;
    }

    // A write that failed may have taken effect, and an operator may have changed the row since. It is not repeated as a
    // conditional change: the failed write may reach a replica late, and must not take precedence then.
    private async Task<HashSet<UnmatchedWork>> FindStaleAsync(IReadOnlyList<(UnmatchedWork Work, UnmatchedPayment Row)> rows)
    {
        if (rows.Count == 0)
        {
            return [];
        }

        var stored = (await _store.ReadUnmatchedRowsAsync([.. rows.Select(one => (one.Row.OrderId, one.Row.PaymentKey))], CancellationToken.None))
            .ToDictionary(row => (row.OrderId, row.PaymentKey));
        return rows.Where(one => !IsAsRead(one.Work, one.Row, stored.GetValueOrDefault((one.Row.OrderId, one.Row.PaymentKey)))).Select(one => one.Work).ToHashSet();

        static bool IsAsRead(UnmatchedWork work, UnmatchedPayment row, UnmatchedPayment? now)
        {
            var before = work.Ledger!.Existing(row.PaymentKey);
            return now is null ? before is null : now.HasSameContent(row) || (before is not null && now.HasSameContent(before));
        }
    }

    // Work whose rows are not as they were read is decided again.
    private UnmatchedBatch WithoutStale(UnmatchedBatch batch, IReadOnlySet<UnmatchedWork> stale)
    {
        if (stale.Count == 0)
        {
            return batch;
        }

        var times = stale.Max(work => ++work.TimesStale);
        var again = new UnmatchedBatch([.. stale]) { Failures = Math.Max(0, (times / TimesStaleAtOnce) - 1) };
        if (times % TimesStaleAtOnce != 0)
        {
            Read(again);
        }
        else
        {
            Failed(again, new StoreUnavailableException("other programs change them repeatedly, or one of them cannot be read"), "change", repeated => Read(repeated));
        }

        return batch with { Works = [.. batch.Works.Where(work => !stale.Contains(work))] };
    }

    // Finds the rows that the store rejects: their data may be too large for it. The other rows are written all the same.
    private void WriteOneByOne(UnmatchedBatch batch, UnmatchedWork work)
    {
        _writing++;
        (UnmatchedPayment Row, Exception Error)? unwritten = null;
        WriteAsync().PipeTo(
            Self,
            success: stale => unwritten is { } one ? new WriteFailed(batch, one.Error, one.Row) : new RowsWritten(batch, stale),
            failure: error => new WriteFailed(batch, error, Row: null));

        async Task<IReadOnlySet<UnmatchedWork>> WriteAsync()
        {
            foreach (var row in work.Ledger!.Changed.ToList())
            {
                while (work.RowsToWrite.FirstOrDefault(one => one.PaymentKey == row.PaymentKey) is { } next)
                {
                    try
                    {
                        if (await WriteRowsAsync([(work, next)]) is { Count: > 0 } stale)
                        {
                            return stale;
                        }

                        break;
                    }
                    catch (StoreRejectedException error) when (work.MayLackData(row))
                    {
                        _log.Error(
                            error,
                            "The store rejected the unmatched row {RowId}; {Consequence}",
                            row.Id,
                            work.Reject(row) ? "it is written without its data" : "it is left as it was");
                    }
                    catch (StoreRejectedException error)
                    {
                        if (work.TryGiveUp(row, _rowsWritten, error.Message))
                        {
                            _log.Error(error, "The store rejected the unmatched row {RowId}; its payment is dead-lettered", row.Id);
                        }
                        else
                        {
                            unwritten = (row, error);
                        }

                        break;
                    }
                }
            }

            return new HashSet<UnmatchedWork>();
        }
    }
}
