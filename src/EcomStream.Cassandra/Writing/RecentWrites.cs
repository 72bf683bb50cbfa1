using System.Diagnostics.Metrics;
using EcomStream.Cassandra.Seam;
using Microsoft.Extensions.Logging;

namespace EcomStream.Cassandra.Writing;

/// <summary>
/// The rewrite window: writes that were confirmed lately, to be written again when a node was lost. With periodic
/// commit-log sync, its default, Cassandra confirms writes that a crash of the node loses, those since the last sync
/// (https://cassandra.apache.org/doc/stable/cassandra/architecture/storage-engine.html). Where only one replica has
/// confirmed a row, nobody else may have it. Every write carries its own timestamp, so writing it again changes nothing
/// that is there. Only what the lost node may have held is written again, several writes at once, and only reads of
/// those rows wait for it. Thread-safe.
/// </summary>
internal sealed partial class RecentWrites : IAsyncDisposable
{
    private const int Concurrency = 32;

    private static readonly TimeSpan _retry = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _warnEvery = TimeSpan.FromMinutes(1);
    private static readonly TimeSpan _moment = TimeSpan.FromMilliseconds(1);
    private static readonly TimeSpan _lastTry = TimeSpan.FromSeconds(5);

    private readonly TimeSpan _window;
    private readonly long _budget;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly Meter _meter = new("EcomStream.Cassandra");
    private readonly Lock _lock = new();
    private readonly Queue<Entry> _recent = new();
    private readonly HashSet<Entry> _again = [];
    private readonly Dictionary<long, List<Entry>> _againByKey = [];
    private readonly SemaphoreSlim _slots = new(Concurrency, Concurrency);
    private readonly CancellationTokenSource _closing = new();
    private ITimer? _pruning;
    private Task _background = Task.CompletedTask;
    private long _bytes;
    private long _warned;
    private int _losses;
    private long _sequence;
    private volatile bool _pending;
    private bool _isTrying;

    /// <param name="window">How long a confirmed write may still be lost; zero when it may not.</param>
    /// <param name="budget">Bytes that may be kept: further writes wait until the oldest ones are safe.</param>
    /// <param name="logger">Where it logs.</param>
    /// <param name="time">The clock.</param>
    public RecentWrites(TimeSpan window, long budget, ILogger logger, TimeProvider time)
    {
        (_window, _budget, _logger, _time) = (window, budget, logger, time);
        _meter.CreateObservableUpDownCounter(
            "ecomstream.cassandra.rewrite_window.size", () => Bytes, "By", "Estimated memory of the confirmed writes that are kept to be written again after the loss of a node.");
    }

    /// <summary>Nodes lost so far: to be read before a write is sent, and passed on when it is confirmed.</summary>
    public int Losses => Volatile.Read(ref _losses);

    /// <summary>Whether anything is to be written again.</summary>
    public bool IsPending => _pending;

    /// <summary>Estimated bytes kept.</summary>
    public long Bytes => Interlocked.Read(ref _bytes);

    /// <summary>Completes when there is room for another write; the writes under way may exceed the budget.</summary>
    public async ValueTask RoomAsync(CancellationToken cancellationToken)
    {
        while (Bytes >= _budget)
        {
            TimeSpan left;
            lock (_lock)
            {
                var now = _time.GetTimestamp();
                Prune(now);
                if (_bytes < _budget || !_recent.TryPeek(out var oldest))
                {
                    return;
                }

                left = _window - _time.GetElapsedTime(oldest.ConfirmedAt, now);
                if (_warned == 0 || _time.GetElapsedTime(_warned, now) >= _warnEvery)
                {
                    _warned = now;
                    LogFull(_logger, _budget, _window);
                }
            }

            await Task.Delay(left + _moment, _time, cancellationToken);
        }
    }

    /// <summary>A write was confirmed.</summary>
    /// <param name="losses"><see cref="Losses"/> before it was sent.</param>
    /// <param name="rows">Its rows.</param>
    /// <param name="bytes">Its estimated memory.</param>
    /// <param name="write">Writes it again.</param>
    /// <param name="replicas">The nodes that hold its rows; null when not known.</param>
    /// <param name="keys">The order ids of its rows, so that reads of them can wait.</param>
    public void Confirmed(
        int losses, int rows, long bytes, Func<CancellationToken, Task> write, ReplicaGroup? replicas = null, IReadOnlyList<long>? keys = null)
    {
        if (_window <= TimeSpan.Zero)
        {
            return;
        }

        Confirmed(losses, new Entry(_time.GetTimestamp(), rows, bytes, write, replicas, keys ?? []));
    }

    /// <summary>A node was lost: what it confirmed lately may be lost with it.</summary>
    /// <param name="affects">Whether the node is one of some replicas; null when all writes are affected.</param>
    public void NodeLost(Func<ReplicaGroup, bool>? affects = null)
    {
        var rows = 0;
        lock (_lock)
        {
            _losses++;
            Prune(_time.GetTimestamp());
            for (var left = _recent.Count; left > 0; left--)
            {
                var entry = _recent.Dequeue();
                if (affects is null || entry.Replicas is not { } replicas || affects(replicas))
                {
                    _bytes -= entry.Bytes;
                    Again(entry);
                    rows += entry.Rows;
                }
                else
                {
                    _recent.Enqueue(entry);
                }
            }

            if (_again.Count > 0)
            {
                Start();
            }
        }

        if (rows > 0)
        {
            LogAgain(_logger, rows);
        }
    }

    /// <summary>Completes when the rows of some orders are written again that are to be.</summary>
    /// <exception cref="CqlFault">One cannot be written yet; it stays to be done.</exception>
    public Task RestoredAsync(IEnumerable<long> keys, CancellationToken cancellationToken)
    {
        if (!_pending)
        {
            return Task.CompletedTask;
        }

        HashSet<Entry> entries = [];
        lock (_lock)
        {
            foreach (var key in keys)
            {
                if (_againByKey.TryGetValue(key, out var pending))
                {
                    entries.UnionWith(pending);
                }
            }
        }

        return WriteAsync(entries, cancellationToken);
    }

    /// <summary>Writes again all that is to be written again.</summary>
    /// <exception cref="CqlFault">Something cannot be written yet; it stays to be done.</exception>
    public Task WriteAsync(CancellationToken cancellationToken)
    {
        Entry[] entries;
        lock (_lock)
        {
            entries = [.. _again.OrderBy(entry => entry.Sequence)];
        }

        return WriteAsync(entries, cancellationToken);
    }

    /// <summary>Makes a last attempt at what is still to be written again, and logs what it could not write.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_pending)
        {
            await Task.WhenAny(_background, Task.Delay(_lastTry, _time));
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
            LogNotWritten(_logger, rows);
        }

        _meter.Dispose();
        _closing.Dispose();
    }

    // Callers of one entry share its attempt: a caller that stops waiting does not stop it.
    private async Task WriteAsync(IReadOnlyCollection<Entry> entries, CancellationToken cancellationToken)
    {
        var attempts = new List<Task>(entries.Count);
        var begun = new List<(Entry, TaskCompletionSource)>();
        lock (_lock)
        {
            foreach (var entry in entries)
            {
                if (entry.Attempt is not { IsCompleted: false })
                {
                    var attempt = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    entry.Attempt = attempt.Task;
                    begun.Add((entry, attempt));
                }

                attempts.Add(entry.Attempt);
            }
        }

        foreach (var (entry, attempt) in begun)
        {
            _ = AttemptAsync(entry).ContinueWith(attempt.SetFromTask, TaskContinuationOptions.ExecuteSynchronously);
        }

        await Task.WhenAll(attempts).WaitAsync(cancellationToken);
    }

    private async Task AttemptAsync(Entry entry)
    {
        await _slots.WaitAsync(_closing.Token);
        try
        {
            int losses;
            lock (_lock)
            {
                losses = _losses;
                if (!_again.Contains(entry))
                {
                    return;
                }
            }

            await entry.Write(_closing.Token);
            lock (_lock)
            {
                Forget(entry);
            }

            Confirmed(losses, entry with { ConfirmedAt = _time.GetTimestamp(), Attempt = null });
        }
        finally
        {
            _slots.Release();
        }
    }

    private void Confirmed(int losses, Entry entry)
    {
        lock (_lock)
        {
            Prune(_time.GetTimestamp());
            if (losses == _losses)
            {
                _recent.Enqueue(entry);
                _bytes += entry.Bytes;

                // Also when nothing more is written.
                _pruning ??= _time.CreateTimer(_ => Prune(), null, _window, _window);
            }
            else
            {
                // The node may have been lost after it had confirmed.
                Again(entry);
                Start();
            }
        }
    }

    private void Prune()
    {
        lock (_lock)
        {
            Prune(_time.GetTimestamp());
        }
    }

    // Called under the lock.
    private void Prune(long now)
    {
        while (_recent.TryPeek(out var oldest) && _time.GetElapsedTime(oldest.ConfirmedAt, now) > _window)
        {
            _bytes -= _recent.Dequeue().Bytes;
        }
    }

    // Called under the lock.
    private void Again(Entry entry)
    {
        entry.Sequence = ++_sequence;
        _again.Add(entry);
        foreach (var key in entry.Keys)
        {
            if (!_againByKey.TryGetValue(key, out var entries))
            {
                _againByKey.Add(key, entries = []);
            }

            entries.Add(entry);
        }
    }

    // Called under the lock.
    private void Forget(Entry entry)
    {
        _again.Remove(entry);
        foreach (var key in entry.Keys)
        {
            if (_againByKey.TryGetValue(key, out var entries) && entries.Remove(entry) && entries.Count == 0)
            {
                _againByKey.Remove(key);
            }
        }

        _pending = _again.Count > 0;
    }

    // Called under the lock.
    private void Start()
    {
        _pending = true;
        if (!_isTrying)
        {
            _isTrying = true;
            _background = Task.Run(KeepTryingAsync);
        }
    }

    private async Task KeepTryingAsync()
    {
        while (true)
        {
            try
            {
                await WriteAsync(_closing.Token);
                lock (_lock)
                {
                    if (_again.Count == 0)
                    {
                        _isTrying = false;
                        return;
                    }
                }
            }
            catch (CqlFault)
            {
                await Task.Delay(_retry, _time, _closing.Token);
            }
            catch (Exception unexpected) when (!_closing.IsCancellationRequested)
            {
                LogUnexpected(_logger, unexpected);
                await Task.Delay(_retry, _time, _closing.Token);
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message =
        "Writing {Rows} rows again that a lost node confirmed lately: if it crashed before it synced its commit log, it has lost them")]
    private static partial void LogAgain(ILogger logger, int rows);

    [LoggerMessage(Level = LogLevel.Error, Message = "Unexpected error while writing again what a lost node had confirmed, retrying")]
    private static partial void LogUnexpected(ILogger logger, Exception unexpected);

    [LoggerMessage(Level = LogLevel.Error, Message =
        "{Rows} rows that a lost node had confirmed could not be written again before the shutdown: if it crashed before it synced its commit log, they are lost")]
    private static partial void LogNotWritten(ILogger logger, int rows);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Writes to Cassandra wait (logged once a minute at most): the {Budget} bytes of the rewrite window are full of writes that were confirmed within {Window}. Raise ecomstream.store.cassandra.rewrite-bytes, or set Cassandra's commitlog_sync to group and rewrite-window to 0s.")]
    private static partial void LogFull(ILogger logger, long budget, TimeSpan window);

    private sealed record Entry(
        long ConfirmedAt, int Rows, long Bytes, Func<CancellationToken, Task> Write, ReplicaGroup? Replicas, IReadOnlyList<long> Keys)
    {
        public Task? Attempt { get; set; }

        public long Sequence { get; set; }

        public bool Equals(Entry? other) => ReferenceEquals(this, other);

        public override int GetHashCode() => System.Runtime.CompilerServices.RuntimeHelpers.GetHashCode(this);
    }
}
