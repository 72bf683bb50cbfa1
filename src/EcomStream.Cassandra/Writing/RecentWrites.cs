using EcomStream.Cassandra.Seam;
using Microsoft.Extensions.Logging;

namespace EcomStream.Cassandra.Writing;

/// <summary>
/// What was confirmed lately, and is written again when a node was lost: with periodic commit-log sync, its default,
/// Cassandra confirms writes that a crash of the node loses, those since the last sync
/// (https://cassandra.apache.org/doc/stable/cassandra/architecture/storage-engine.html). Where only one replica has
/// confirmed a row, nobody else may have it. Every write carries its own timestamp, so that writing it again changes nothing
/// that is there. Thread-safe.
/// </summary>
/// <param name="window">How long a confirmed write may still be lost; zero when it may not.</param>
/// <param name="budget">Bytes that may be kept: whoever would write more waits until what was confirmed first is safe.</param>
/// <param name="logger">Where it logs.</param>
/// <param name="time">The clock.</param>
internal sealed partial class RecentWrites(TimeSpan window, long budget, ILogger logger, TimeProvider time) : IAsyncDisposable
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan WarnEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan Moment = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan LastTry = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly Queue<Entry> _recent = new();
    private readonly Queue<Entry> _again = new();
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly CancellationTokenSource _closing = new();
    private ITimer? _pruning;
    private Task _background = Task.CompletedTask;
    private long _bytes;
    private long _warned;
    private int _losses;
    private volatile bool _pending;

    /// <summary>Nodes lost so far: to be read before a write is sent, and given back when it is confirmed.</summary>
    public int Losses => Volatile.Read(ref _losses);

    /// <summary>Whether anything is to be written again.</summary>
    public bool IsPending => _pending;

    /// <summary>Bytes kept, in case a node is lost.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Completes when there is room for another write; the writes under way may exceed the budget.</summary>
    public async ValueTask RoomAsync(CancellationToken cancellationToken)
    {
        while (Bytes >= budget)
        {
            TimeSpan left;
            lock (_lock)
            {
                var now = time.GetTimestamp();
                Prune(now);
                if (_bytes < budget || !_recent.TryPeek(out var oldest))
                {
                    return;
                }

                left = window - time.GetElapsedTime(oldest.ConfirmedAt, now);
                if (_warned == 0 || time.GetElapsedTime(_warned, now) >= WarnEvery)
                {
                    _warned = now;
                    LogFull(logger, budget, window);
                }
            }

            await Task.Delay(left + Moment, time, cancellationToken);
        }
    }

    /// <summary>A write was confirmed.</summary>
    /// <param name="losses"><see cref="Losses"/> before it was sent.</param>
    /// <param name="rows">Its rows.</param>
    /// <param name="bytes">What it takes in memory.</param>
    /// <param name="write">Writes it again.</param>
    public void Confirmed(int losses, int rows, long bytes, Func<CancellationToken, Task> write)
    {
        if (window <= TimeSpan.Zero)
        {
            return;
        }

        var now = time.GetTimestamp();
        lock (_lock)
        {
            Prune(now);
            var entry = new Entry(now, rows, bytes, write);
            if (losses == _losses)
            {
                _recent.Enqueue(entry);
                _bytes += bytes;

                // Also when nothing more is written.
                _pruning ??= time.CreateTimer(_ => Prune(), null, window, window);
            }
            else
            {
                // The node may have been lost after it had confirmed.
                _again.Enqueue(entry);
                Start();
            }
        }
    }

    /// <summary>A node was lost: what it confirmed lately may be lost with it.</summary>
    public void NodeLost()
    {
        var rows = 0;
        lock (_lock)
        {
            _losses++;
            Prune(time.GetTimestamp());
            while (_recent.TryDequeue(out var entry))
            {
                _again.Enqueue(entry);
                rows += entry.Rows;
            }

            _bytes = 0;

            if (_again.Count > 0)
            {
                Start();
            }
        }

        if (rows > 0)
        {
            LogAgain(logger, rows);
        }
    }

    /// <summary>Writes again what is to be written again.</summary>
    /// <exception cref="CqlFault">It cannot be written yet; it stays to be done.</exception>
    public async Task WriteAsync(CancellationToken cancellationToken)
    {
        await _writing.WaitAsync(cancellationToken);
        try
        {
            while (true)
            {
                Entry? entry;
                int losses;
                lock (_lock)
                {
                    losses = _losses;
                    if (!_again.TryPeek(out entry))
                    {
                        _pending = false;
                        return;
                    }
                }

                await entry.Write(cancellationToken);
                lock (_lock)
                {
                    _again.Dequeue();
                }

                Confirmed(losses, entry.Rows, entry.Bytes, entry.Write);
            }
        }
        finally
        {
            _writing.Release();
        }
    }

    /// <summary>Makes a last attempt at what is still to be written again, and says what it could not write.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_pending)
        {
            await Task.WhenAny(_background, Task.Delay(LastTry, time));
        }

        if (_pruning is { } pruning)
        {
            await pruning.DisposeAsync();
        }

        await _closing.CancelAsync();
        await _background.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var rows = _again.Sum(entry => entry.Rows);
        if (rows > 0)
        {
            LogNotWritten(logger, rows);
        }

        _closing.Dispose();
    }

    private void Prune()
    {
        lock (_lock)
        {
            Prune(time.GetTimestamp());
        }
    }

    // Called under the lock.
    private void Prune(long now)
    {
        while (_recent.TryPeek(out var oldest) && time.GetElapsedTime(oldest.ConfirmedAt, now) > window)
        {
            _bytes -= _recent.Dequeue().Bytes;
        }
    }

    // Called under the lock.
    private void Start()
    {
        if (!_pending)
        {
            // The one before may be just about to end.
            _pending = true;
            _background = _background.ContinueWith(_ => KeepTryingAsync(), TaskScheduler.Default).Unwrap();
        }
    }

    private async Task KeepTryingAsync()
    {
        while (_pending)
        {
            try
            {
                await WriteAsync(_closing.Token);
            }
            catch (CqlFault)
            {
                await Task.Delay(Retry, time, _closing.Token);
            }
            catch (Exception unexpected) when (!_closing.IsCancellationRequested)
            {
                LogUnexpected(logger, unexpected);
                await Task.Delay(Retry, time, _closing.Token);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message =
        "{Rows} rows that the node confirmed lately are written again: without a sync of its commit log, its crash would have lost them")]
    private static partial void LogAgain(ILogger logger, int rows);

    [LoggerMessage(Level = LogLevel.Error, Message = "Rows that a lost node had confirmed could not be written again; it is tried again")]
    private static partial void LogUnexpected(ILogger logger, Exception unexpected);

    [LoggerMessage(Level = LogLevel.Error, Message =
        "{Rows} rows that a lost node had confirmed could not be written again before the end: if it crashed before it synced its commit log, they are lost")]
    private static partial void LogNotWritten(ILogger logger, int rows);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Writes to Cassandra wait (shown once a minute at most): {Budget} bytes were confirmed within {Window}, and no more may be kept to be written again when a node is lost. Raise ecomstream.store.cassandra.rewrite-bytes, or have Cassandra sync its commit log before it confirms and set rewrite-window to 0s.")]
    private static partial void LogFull(ILogger logger, long budget, TimeSpan window);

    private sealed record Entry(long ConfirmedAt, int Rows, long Bytes, Func<CancellationToken, Task> Write);
}
