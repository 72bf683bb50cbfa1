using Microsoft.Extensions.Logging;

namespace EcomStream.Cassandra;

/// <summary>
/// What was confirmed lately, and is written again when a node was lost: with periodic commit-log sync, its default,
/// Cassandra confirms writes that a crash of the node loses, those since the last sync
/// (https://cassandra.apache.org/doc/stable/cassandra/architecture/storage-engine.html). Where fewer than three replicas
/// hold a row, nobody else may have it. Every write carries its own timestamp, so that writing it again changes nothing
/// that is there. Thread-safe.
/// </summary>
/// <param name="window">How long a confirmed write may still be lost; zero when it may not.</param>
/// <param name="logger">Where it logs.</param>
/// <param name="time">The clock.</param>
internal sealed partial class RecentWrites(TimeSpan window, ILogger logger, TimeProvider time) : IAsyncDisposable
{
    private static readonly TimeSpan Retry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan LastTry = TimeSpan.FromSeconds(5);

    private readonly Lock _lock = new();
    private readonly Queue<Entry> _recent = new();
    private readonly Queue<Entry> _again = new();
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly CancellationTokenSource _closing = new();
    private Task _background = Task.CompletedTask;
    private int _losses;
    private volatile bool _pending;

    /// <summary>Nodes lost so far: to be read before a write is sent, and given back when it is confirmed.</summary>
    public int Losses => Volatile.Read(ref _losses);

    /// <summary>Whether anything is to be written again.</summary>
    public bool IsPending => _pending;

    /// <summary>A write was confirmed.</summary>
    /// <param name="losses"><see cref="Losses"/> before it was sent.</param>
    /// <param name="rows">Its rows.</param>
    /// <param name="write">Writes it again.</param>
    public void Confirmed(int losses, int rows, Func<CancellationToken, Task> write)
    {
        if (window <= TimeSpan.Zero)
        {
            return;
        }

        var now = time.GetTimestamp();
        lock (_lock)
        {
            while (_recent.TryPeek(out var oldest) && time.GetElapsedTime(oldest.ConfirmedAt, now) > window)
            {
                _recent.Dequeue();
            }

            var entry = new Entry(now, rows, write);
            if (losses == _losses)
            {
                _recent.Enqueue(entry);
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
            while (_recent.TryDequeue(out var entry))
            {
                _again.Enqueue(entry);
                rows += entry.Rows;
            }

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
    /// <exception cref="CqlException">It cannot be written yet; it stays to be done.</exception>
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

                Confirmed(losses, entry.Rows, entry.Write);
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

        await _closing.CancelAsync();
        await _background.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var rows = _again.Sum(entry => entry.Rows);
        if (rows > 0)
        {
            LogNotWritten(logger, rows);
        }

        _closing.Dispose();
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
            catch (CqlException)
            {
                await Task.Delay(Retry, time, _closing.Token);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message =
        "{Rows} rows that the node confirmed lately are written again: without a sync of its commit log, its crash would have lost them")]
    private static partial void LogAgain(ILogger logger, int rows);

    [LoggerMessage(Level = LogLevel.Error, Message =
        "{Rows} rows that a lost node had confirmed could not be written again before the end: if it crashed before it synced its commit log, they are lost")]
    private static partial void LogNotWritten(ILogger logger, int rows);

    private sealed record Entry(long ConfirmedAt, int Rows, Func<CancellationToken, Task> Write);
}
