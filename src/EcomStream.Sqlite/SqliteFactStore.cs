using System.Runtime.CompilerServices;
using EcomStream.Core;
using Microsoft.Data.Sqlite;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.Sqlite;

/// <summary>
/// The embedded fact store: one SQLite file in WAL mode, which other programs can read while it is written. Writes go
/// one batch at a time through one connection, a transaction each; reads go through another, so neither waits for the
/// other.
/// </summary>
public sealed partial class SqliteFactStore : IFactStore
{
    private const int PageSize = 1_000;
    private const int DeleteAtOnce = 5_000;
    private const int ProbeRows = 10;
    private static readonly TimeSpan DeleteEvery = TimeSpan.FromMinutes(1);

    private readonly SqliteSettings _settings;
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly SemaphoreSlim _reading = new(1, 1);
    private Session? _writer;
    private Session? _reader;
    private readonly TimeProvider _time;
    private readonly UndecodableRows _undecodable;
    private FileStream? _lock;
    private FactWrite? _accepted;
    private long? _deletedAt;
    private volatile bool _disposed;

    /// <summary>Makes a store; nothing is opened before <see cref="InitializeAsync"/>.</summary>
    /// <param name="settings">Where and how.</param>
    /// <param name="time">The clock; the system's when left out.</param>
    /// <param name="loggers">Where it logs; nowhere when left out.</param>
    public SqliteFactStore(SqliteSettings settings, TimeProvider? time = null, ILoggerFactory? loggers = null)
    {
        (_settings, _time) = (settings, time ?? TimeProvider.System);
        _undecodable = new UndecodableRows((loggers ?? NullLoggerFactory.Instance).CreateLogger<SqliteFactStore>(), _time);
    }

    /// <inheritdoc/>
    public async ValueTask InitializeAsync(CancellationToken cancellationToken)
    {
        await On(_writing, () =>
        {
            try
            {
                CreateFolder();
                Lock();
                _writer ??= Session.OpenWriter(_settings, _undecodable);
                _reader ??= Session.OpenReader(_settings, _undecodable);
                return true;
            }
            catch (SqliteException error)
            {
                throw SqliteErrors.AtStart(error, _settings.Path);
            }
        }, cancellationToken);
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<long>> WriteAsync(IReadOnlyList<FactWrite> writes, CancellationToken cancellationToken) =>
        await On(_writing, "Writing to", () =>
        {
            var next = 0;
            try
            {
                return InTransaction(session =>
                {
                    List<long>? refused = null;
                    for (; next < writes.Count; next++)
                    {
                        if (!session.Facts.Write(writes[next]))
                        {
                            (refused ??= []).Add(writes[next].OrderId);
                        }
                    }

                    _accepted = writes.Count > 0 ? writes[0] : _accepted;
                    return refused ?? (IReadOnlyList<long>)[];
                });
            }
            catch (SqliteException error) when (SqliteErrors.IsRefusal(error))
            {
                // A row is at fault only where another one passes.
                throw SqliteErrors.IsTooBig(error) || IsAnotherAccepted(writes, next)
                    ? SqliteErrors.Rejected(error, "Writing to", _settings.Path)
                    : SqliteErrors.Translate(error, "Writing to", _settings.Path);
            }
        }, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<OrderFact?>> ReadAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken) =>
        await On(_reading, "Reading", () => orderIds.Select(Reader.Facts.Read).ToArray(), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask WriteUnmatchedAsync(IReadOnlyList<UnmatchedPayment> rows, CancellationToken cancellationToken) =>
        await On(_writing, "Writing to", () => InTransaction(session =>
        {
            foreach (var row in rows)
            {
                session.Unmatched.Write(row);
            }

            DeleteFinished(session);
            return true;
        }), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<bool>> ChangeUnmatchedAsync(IReadOnlyList<UnmatchedChange> changes, CancellationToken cancellationToken) =>
        await On(_writing, "Writing to", () => InTransaction(session => changes.Select(session.Unmatched.Change).ToArray()), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<UnmatchedCount>> CountUnmatchedAsync(UnmatchedQuery query, CancellationToken cancellationToken) =>
        await On(_reading, "Counting", () => Reader.Unmatched.Count(query), cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnmatchedAsync(
        IReadOnlyList<long> orderIds, CancellationToken cancellationToken) =>
        await On(_reading, "Reading", () =>
        {
            var rows = new List<UnmatchedPayment>();
            foreach (var orderId in orderIds.Distinct())
            {
                Reader.Unmatched.Read(orderId, rows);
            }

            return rows;
        }, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnmatchedRowsAsync(
        IReadOnlyCollection<(long OrderId, string PaymentKey)> keys, CancellationToken cancellationToken) =>
        await On(_reading, "Reading", () =>
        {
            var rows = new List<UnmatchedPayment>();
            foreach (var (orderId, paymentKey) in keys.Distinct())
            {
                Reader.Unmatched.Read(orderId, paymentKey, rows);
            }

            return rows;
        }, cancellationToken);

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnjoinedAsync(
        IReadOnlyList<long> orderIds, int limit, CancellationToken cancellationToken) =>
        await On(_reading, "Reading", () =>
        {
            var rows = new List<UnmatchedPayment>();
            foreach (var orderId in orderIds.Distinct())
            {
                Reader.Unmatched.ReadUnjoined(orderId, limit, rows);
            }

            return rows;
        }, cancellationToken);

    /// <inheritdoc/>
    public async IAsyncEnumerable<UnmatchedPayment> ListUnmatchedAsync(
        UnmatchedQuery query, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var after = query.After;
        for (var left = query.Limit; left > 0;)
        {
            var size = Math.Min(left, PageSize);
            var (page, next) = await On(_reading, "Listing", () => Reader.Unmatched.Page(query, after, size), cancellationToken);
            foreach (var row in page)
            {
                yield return row;
            }

            if (next is null)
            {
                yield break;
            }

            left -= page.Count;
            after = next;
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<UnjoinedPayment> ListUnjoinedAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        (long, string)? after = null;
        while (true)
        {
            var page = await On(_reading, "Listing", () => Reader.Unmatched.UnjoinedPage(after, PageSize), cancellationToken);
            foreach (var (payment, _) in page)
            {
                yield return payment;
            }

            if (page.Count < PageSize)
            {
                yield break;
            }

            after = (page[^1].Payment.OrderId, page[^1].Key);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_disposed)
        {
            return;
        }

        // Calls that wait for their turn get it after this, and find the store disposed.
        _disposed = true;
        await _writing.WaitAsync();
        await _reading.WaitAsync();
        _reader?.Dispose();
        _writer?.Dispose();
        _lock?.Dispose();
        _writing.Release();
        _reading.Release();
    }

    /// <summary>Bounds the file, so that a test can fill it.</summary>
    internal void LimitPages(int pages)
    {
        using var limit = (_writer ?? throw NotInitialized()).Connection.CreateCommand();
        limit.CommandText = $"PRAGMA max_page_count = {pages}";
        limit.ExecuteNonQuery();
    }

    private Session Reader => _reader ?? throw NotInitialized();

    private static InvalidOperationException NotInitialized() => new("The store is used before InitializeAsync.");

    // Rows expire beside the writes, some at a time.
    private void DeleteFinished(Session session)
    {
        var now = _time.GetTimestamp();
        if (_settings.FinishedTtl <= TimeSpan.Zero || (_deletedAt is { } last && _time.GetElapsedTime(last, now) < DeleteEvery))
        {
            return;
        }

        // Where there are more than are deleted at once, the next write deletes the next ones.
        var deleted = session.Unmatched.DeleteFinished(Timestamps.Micros(_time.GetUtcNow() - _settings.FinishedTtl), DeleteAtOnce);
        _deletedAt = deleted < DeleteAtOnce ? now : null;
    }

    // Tries other rows of the call, or else one that was accepted before, in a transaction that is rolled back.
    private bool IsAnotherAccepted(IReadOnlyList<FactWrite> writes, int refused)
    {
        if (refused > 0)
        {
            return true;
        }

        var session = _writer ?? throw NotInitialized();
        foreach (var other in writes.Skip(1).Take(ProbeRows).Append(_accepted).OfType<FactWrite>())
        {
            try
            {
                session.Begin.Execute();
                session.Facts.Probe(other);
                return true;
            }
            catch (SqliteException)
            {
                // It is refused as well.
            }
            finally
            {
                if (!session.IsAutocommit)
                {
                    session.Rollback.Execute();
                }
            }
        }

        return false;
    }

    // The lock ends with the process, however that ends.
    private void Lock()
    {
        if (!_settings.Exclusive || _lock is not null)
        {
            return;
        }

        try
        {
            _lock = new FileStream($"{_settings.Path}-lock", FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
        }
        catch (IOException held)
        {
            throw new StoreRejectedException(
                $"Opening {_settings.Path}: another process joins messages into this file ({held.Message}). Stop it, or give another --data folder.", held);
        }
    }

    private T InTransaction<T>(Func<Session, T> work)
    {
        var session = _writer ?? throw NotInitialized();
        session.Begin.Execute();
        try
        {
            var result = work(session);
            session.Commit.Execute();
            return result;
        }
        catch
        {
            // SQLite rolls back by itself on some errors (https://sqlite.org/lang_transaction.html); then there is
            // nothing left to roll back, and the first error is the one to report.
            if (!session.IsAutocommit)
            {
                session.Rollback.Execute();
            }

            throw;
        }
    }

    // SQLite works on the calling thread, so it gets one of the pool's.
    private async Task<T> On<T>(SemaphoreSlim gate, string doing, Func<T> work, CancellationToken cancellationToken)
    {
        try
        {
            return await On(gate, work, cancellationToken);
        }
        catch (SqliteException error)
        {
            throw SqliteErrors.Translate(error, doing, _settings.Path);
        }
    }

    private async Task<T> On<T>(SemaphoreSlim gate, Func<T> work, CancellationToken cancellationToken)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        await gate.WaitAsync(cancellationToken);
        try
        {
            ObjectDisposedException.ThrowIf(_disposed, this);
            return await Task.Run(work, cancellationToken);
        }
        finally
        {
            gate.Release();
        }
    }

    private void CreateFolder()
    {
        var folder = Path.GetDirectoryName(Path.GetFullPath(_settings.Path));
        if (string.IsNullOrEmpty(folder))
        {
            return;
        }

        try
        {
            Directory.CreateDirectory(folder);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new StoreRejectedException(
                $"Opening {_settings.Path}: its folder cannot be made ({error.Message}). Give another --data folder.", error);
        }

        if (Directory.Exists(_settings.Path))
        {
            throw new StoreRejectedException($"Opening {_settings.Path}: it is a folder, not a database file.");
        }
    }

    /// <summary>A connection and the statements prepared on it.</summary>
    private sealed class Session : IDisposable
    {
        private Session(SqliteConnection connection, UndecodableRows undecodable)
        {
            Connection = connection;
            Facts = new FactTable(connection);
            Unmatched = new UnmatchedTable(connection, undecodable);
            Begin = new Statement(connection, "BEGIN IMMEDIATE");
            Commit = new Statement(connection, "COMMIT");
            Rollback = new Statement(connection, "ROLLBACK");
        }

        public SqliteConnection Connection { get; }

        public FactTable Facts { get; }

        public UnmatchedTable Unmatched { get; }

        public Statement Begin { get; }

        public Statement Commit { get; }

        public Statement Rollback { get; }

        public bool IsAutocommit => SQLitePCL.raw.sqlite3_get_autocommit(Connection.Handle) != 0;

        public static Session OpenWriter(SqliteSettings settings, UndecodableRows undecodable)
        {
            var connection = Open(settings);
            try
            {
                if (Ask(connection, "journal_mode = WAL") is var mode && mode != "wal")
                {
                    // Readers would block the writer, and a crash could leave a hot journal that only SQLite can use.
                    throw new StoreRejectedException(
                        $"Opening {settings.Path}: SQLite cannot use its write-ahead log here (journal_mode is '{mode}'), as on a network file system. Give a --data folder on a local disk.");
                }

                SetSynchronous(connection, settings.Durability);

                // A write-ahead log that a long-running reader made long shrinks again to this.
                Pragma(connection, "journal_size_limit = 67108864");
                Pragma(connection, "wal_autocheckpoint = 4000");
                SqliteSchema.Apply(connection);
                if (SqliteSchema.Differences(connection) is { Count: > 0 } differences)
                {
                    throw new StoreRejectedException(
                        $"Opening {settings.Path}: its orders_payments_facts is not ours ({string.Join(", ", differences)}). Give another --data folder.");
                }

                return new Session(connection, undecodable);
            }
            catch
            {
                connection.Dispose();
                throw;
            }
        }

        public static Session OpenReader(SqliteSettings settings, UndecodableRows undecodable) => new(Open(settings), undecodable);

        public void Dispose()
        {
            Facts.Dispose();
            Unmatched.Dispose();
            Begin.Dispose();
            Commit.Dispose();
            Rollback.Dispose();
            Connection.Dispose();
        }

        private static SqliteConnection Open(SqliteSettings settings)
        {
            var connection = new SqliteConnection(new SqliteConnectionStringBuilder
            {
                DataSource = settings.Path,
                Pooling = false,
                Vfs = settings.Vfs,
                DefaultTimeout = (int)Math.Ceiling(settings.BusyTimeout.TotalSeconds),
            }.ToString());
            try
            {
                connection.Open();
                Pragma(connection, "cache_size = -65536");
                Pragma(connection, $"busy_timeout = {(long)settings.BusyTimeout.TotalMilliseconds}");
                return connection;
            }
            catch
            {
                connection.Dispose();
                throw;
            }
        }

        private static string Ask(SqliteConnection connection, string text)
        {
            using var pragma = connection.CreateCommand();
            pragma.CommandText = "PRAGMA " + text;
            return pragma.ExecuteScalar() as string ?? "";
        }

        public static void SetSynchronous(SqliteConnection connection, SqliteDurability durability) =>
            Pragma(connection, $"synchronous = {(durability == SqliteDurability.Full ? "FULL" : "NORMAL")}");

        private static void Pragma(SqliteConnection connection, string text)
        {
            using var pragma = connection.CreateCommand();
            pragma.CommandText = "PRAGMA " + text;
            pragma.ExecuteNonQuery();
        }
    }
}
