using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using EcomStream.Cassandra.Native;
using EcomStream.Cassandra.Schema;
using EcomStream.Cassandra.Seam;
using EcomStream.Cassandra.Tables;
using EcomStream.Cassandra.Writing;
using EcomStream.Core;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.Cassandra;

/// <summary>
/// The fact store on Apache Cassandra. A batch of writes becomes unlogged batches, each for the partitions of one replica
/// group. The write timestamp of each side of a row is its message's stamp plus
/// <see cref="CassandraSettings.WriteTimestampOffset"/>, so that rows converge on their own, whatever other programs
/// write. Guarded payments are read first: that requires, as the port says, that one order's writes come one at a time.
/// </summary>
public sealed partial class CassandraFactStore : IFactStore
{
    private const int FetchRows = 500;

    // Keys of a listing, 60 bytes each.
    private const int MaxKeys = 100_000;

    private const int PrepareAttempts = 20;
    private static readonly TimeSpan _prepareAgain = TimeSpan.FromMilliseconds(250);

    // A row in memory takes about twice its encoded bytes: its text is UTF-16, and it is made of objects.
    private const int InMemory = 2;

    private readonly CassandraSettings _settings;
    private readonly CassandraSchema _schema;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly Func<CancellationToken, Task<ICqlClient>> _connect;
    private readonly SemaphoreSlim _opening = new(1, 1);
    private readonly RecentWrites _recent;
    private readonly WriteClock _clock;
    private readonly RefusalCheck _refusals;
    private readonly UndecodableRows _undecodable;
    private ICqlClient? _client;
    private OpenTables? _tables;

    /// <summary>Makes a store; nothing is connected before <see cref="InitializeAsync"/>.</summary>
    /// <param name="settings">Where and how.</param>
    /// <param name="loggers">Where it logs; nowhere when left out.</param>
    /// <param name="time">The clock; the system's when left out.</param>
    /// <exception cref="StoreRejectedException">A name in the settings is not valid in CQL.</exception>
    public CassandraFactStore(CassandraSettings settings, ILoggerFactory? loggers = null, TimeProvider? time = null)
        : this(settings, null, loggers, time)
    {
    }

    /// <summary>Makes a store on another client.</summary>
    internal CassandraFactStore(
        CassandraSettings settings, Func<CancellationToken, Task<ICqlClient>>? connect, ILoggerFactory? loggers = null, TimeProvider? time = null)
    {
        _settings = settings;
        _logger = (loggers ?? NullLoggerFactory.Instance).CreateLogger<CassandraFactStore>();
        _time = time ?? TimeProvider.System;
        _connect = connect ?? (stop => NativeClient.ConnectAsync(settings, _logger, _time, stop));
        _schema = StoreErrors.Schema(settings);
        _clock = new WriteClock(_time);
        _refusals = new RefusalCheck(_logger, _time);
        _undecodable = new UndecodableRows(_logger, _time);

        // A crash is noticed by the second heartbeat at the latest.
        var window = settings.RewriteWindow > TimeSpan.Zero ? settings.RewriteWindow + (2 * settings.HeartbeatInterval) : TimeSpan.Zero;
        _recent = new RecentWrites(window, settings.RewriteBytes, _logger, _time);
    }

    /// <inheritdoc/>
    public async ValueTask InitializeAsync(CancellationToken cancellationToken)
    {
        await _opening.WaitAsync(cancellationToken);
        try
        {
            if (_client is null)
            {
                _client = await _connect(cancellationToken);
                _client.OnNodeLost(_recent.NodeLost);
            }

            var client = _client;
            var differences = await _schema.DifferencesAsync(client, cancellationToken, requiredOnly: true);
            if (differences.Count > 0 && _settings.CreateSchema)
            {
                await _schema.ApplyAsync(client, cancellationToken);
                differences = await _schema.DifferencesAsync(client, cancellationToken, requiredOnly: true);
            }

            if (differences.Count > 0)
            {
                throw new StoreRejectedException(
                    $"Opening Cassandra at {string.Join(", ", _settings.ContactPoints)}: the schema differs from the one that EcomStream needs: {string.Join("; ", differences)}. 'ecomstream schema print' prints it, and 'ecomstream schema apply' creates what is missing.");
            }

            if (await _schema.MissedReadsAsync(client, cancellationToken) is [var missed])
            {
                throw new StoreRejectedException($"Opening Cassandra at {string.Join(", ", _settings.ContactPoints)}: {missed}.");
            }

            foreach (var warning in await _schema.WarningsAsync(client, cancellationToken))
            {
                LogSchemaWarning(_logger, warning);
            }

            _tables = await PrepareCreatedAsync(client, cancellationToken);
            await SchemaAccess.CheckAsync(client, _tables.Facts, _tables.Unmatched, cancellationToken);
            await OpenOwnersAsync(client, cancellationToken);
            await OpenListingAsync(client, cancellationToken);
        }
        catch (CqlFault failed)
        {
            throw StoreErrors.AtStart(failed, _settings);
        }
        finally
        {
            _opening.Release();
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<long>> WriteAsync(IReadOnlyList<FactWrite> writes, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await _recent.RoomAsync(cancellationToken);
        var refused = await RefusedAsync(writes, cancellationToken);
        var losses = _recent.Losses;
        try
        {
            var bytes = await SendAsync(writes, refused, cancellationToken);
            _refusals.Accepted(writes);
            Keep(losses, writes, bytes, write => ReplicasOf(write.OrderId), write => write.OrderId, (part, stop) => SendAsync(part, refused, stop));
            return refused is null ? [] : [.. refused];
        }
        catch (CqlFault failed)
        {
            throw StoreErrors.OfWrite(
                failed,
                failed.Kind == FaultKind.Invalid
                    && await _refusals.IsRowAtFaultAsync(writes, failed, write => SendAsync([write], null, cancellationToken)),
                _settings);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<OrderFact?>> ReadAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken)
    {
        var found = new Dictionary<long, OrderFact>(orderIds.Count);
        await ReadByIdAsync(Opened.Facts.Read, orderIds, row =>
        {
            var fact = Opened.Facts.ToFact(row);
            found[fact.OrderId] = fact;
        }, cancellationToken);
        return [.. orderIds.Select(found.GetValueOrDefault)];
    }

    /// <inheritdoc/>
    public async ValueTask WriteUnmatchedAsync(IReadOnlyList<UnmatchedPayment> rows, CancellationToken cancellationToken) =>
        await WriteStampedAsync([.. rows.Select(row => (row, _clock.Next()))], cancellationToken);

    private async Task WriteStampedAsync(List<(UnmatchedPayment Row, long Timestamp)> stamped, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        await _recent.RoomAsync(cancellationToken);
        var losses = _recent.Losses;
        try
        {
            var bytes = await SendAsync(stamped, cancellationToken);
            if (stamped is [.., var last])
            {
                _refusals.Accepted(last.Row, last.Timestamp);
            }

            Keep(losses, stamped, bytes, row => ReplicasOfBucket(UnmatchedStatements.Bucket(row.Row.OrderId)), row => row.Row.OrderId, SendAsync);
        }
        catch (CqlFault failed)
        {
            throw StoreErrors.OfWrite(
                failed,
                failed.Kind == FaultKind.Invalid
                    && await _refusals.IsRowAtFaultAsync(stamped.Count, failed, row => SendAsync([row], cancellationToken)),
                _settings);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnmatchedAsync(
        IReadOnlyList<long> orderIds, CancellationToken cancellationToken) =>
        [.. (await ReadWithWriteTimesAsync(orderIds, cancellationToken)).Select(found => found.Row)];

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnmatchedRowsAsync(
        IReadOnlyCollection<(long OrderId, string PaymentKey)> keys, CancellationToken cancellationToken) =>
        [.. (await ReadRowsWithWriteTimesAsync(keys, cancellationToken)).Select(found => found.Row)];

    private async Task<IEnumerable<(UnmatchedPayment Row, long WriteTime)>> ReadRowsWithWriteTimesAsync(
        IReadOnlyCollection<(long OrderId, string PaymentKey)> keys, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var (client, _, unmatched) = Opened;
        try
        {
            await _recent.RestoredAsync([.. keys.Select(key => key.OrderId)], cancellationToken);

            // One by one: an order may have any number of rows.
            var reads = keys.Distinct().Select(async key => Rows(await client.ReadAsync(
                unmatched.ReadRow,
                "read an unmatched payment",
                ReplicasOfBucket(UnmatchedStatements.Bucket(key.OrderId)),
                new UnmatchedRowKey(key.OrderId, key.PaymentKey),
                PageRequest.All,
                cancellationToken)));
            return (await Task.WhenAll(reads)).SelectMany(rows => rows);
        }
        catch (CqlFault failed)
        {
            throw StoreErrors.OfRead(failed, _settings);
        }
    }

    private List<(UnmatchedPayment Row, long WriteTime)> Rows(IPage page)
    {
        var rows = new List<(UnmatchedPayment Row, long WriteTime)>();
        while (page.Next())
        {
            var writeTime = UnmatchedStatements.WriteTime(page);
            _clock.Seen(writeTime);
            try
            {
                if (UnmatchedStatements.ToRow(page) is { } row)
                {
                    rows.Add((row, writeTime));
                }
            }
            catch (FormatException undecodable)
            {
                Skip(undecodable);
            }
        }

        return rows;
    }

    private async Task<IEnumerable<(UnmatchedPayment Row, long WriteTime)>> ReadWithWriteTimesAsync(
        IReadOnlyList<long> orderIds, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var (client, _, unmatched) = Opened;
        try
        {
            await _recent.RestoredAsync(orderIds, cancellationToken);
            var reads = orderIds.Distinct().GroupBy(UnmatchedStatements.Bucket).SelectMany(bucket => bucket.Chunk(_settings.ReadBatch).Select(async ids =>
            {
                var page = await client.ReadAsync(
                    unmatched.Read,
                    $"read unmatched payments of {ids.Length} orders",
                    ReplicasOfBucket(bucket.Key),
                    new BucketAndOrders(bucket.Key, ids),
                    PageRequest.All,
                    cancellationToken);
                return Rows(page);
            }));
            return (await Task.WhenAll(reads)).SelectMany(rows => rows);
        }
        catch (CqlFault failed)
        {
            throw StoreErrors.OfRead(failed, _settings);
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<UnjoinedPayment> ListUnjoinedAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var key in Translated(Listing().UnjoinedAsync(cancellationToken)).WithCancellation(cancellationToken))
        {
            yield return new UnjoinedPayment(key.Place.OrderId, key.State, key.Place.PublishTimeMicros);
        }
    }

    /// <inheritdoc/>
    public async ValueTask DisposeAsync()
    {
        if (_client is { } client)
        {
            _client = null;
            await _recent.DisposeAsync();
            await client.DisposeAsync();
        }

        _opening.Dispose();
    }

    /// <summary>Keys that a listing keeps at most, so that a test can lower it.</summary>
    internal int MaxListedKeys { get; init; } = MaxKeys;

    private OpenTables Opened => _tables ?? throw new InvalidOperationException("The store is used before InitializeAsync.");

    // What two replicas have confirmed survives the crash of any one of them. The rest is kept for a while, by replica
    // group, so that after the loss of a node only what it may have held is written again.
    private void Keep<T>(
        int losses,
        IReadOnlyList<T> rows,
        long bytes,
        Func<T, ReplicaGroup> replicasOf,
        Func<T, long> keyOf,
        Func<IReadOnlyList<T>, CancellationToken, Task> send)
    {
        if (rows.Count == 0 || _settings.RewriteWindow <= TimeSpan.Zero)
        {
            return;
        }

        var client = Opened.Client;
        foreach (var group in rows.GroupBy(replicasOf).Where(group => client.Confirming(group.Key) < 2))
        {
            T[] part = [.. group];
            _recent.Confirmed(
                losses, part.Length, InMemory * bytes * part.Length / rows.Count, stop => send(part, stop), group.Key, Array.ConvertAll(part, row => keyOf(row)));
        }
    }

    private ReplicaGroup ReplicasOf(long orderId)
    {
        Span<byte> key = stackalloc byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(key, orderId);
        return Opened.Client.ReplicasOf(key);
    }

    private ReplicaGroup ReplicasOfBucket(int bucket) => UnmatchedStatements.ReplicasOf(Opened.Client, bucket);

    // How many bytes were sent.
    private async Task<long> SendAsync(IReadOnlyList<FactWrite> writes, HashSet<long>? refused, CancellationToken cancellationToken)
    {
        var (client, facts, _) = Opened;
        using var batches = new BatchSet(client, _settings, "write facts");
        foreach (var write in writes)
        {
            var withPayment = write.Payment is not null && !(refused?.Contains(write.OrderId) ?? false);
            if (withPayment || write.Order is not null)
            {
                facts.Write(batches.Row, write, withPayment);
                await batches.AddAsync(ReplicasOf(write.OrderId), cancellationToken);
            }
        }

        await batches.SendAsync(cancellationToken);
        return batches.Bytes;
    }

    private async Task<long> SendAsync(IReadOnlyList<(UnmatchedPayment Row, long Timestamp)> rows, CancellationToken cancellationToken)
    {
        var (client, _, unmatched) = Opened;
        using var batches = new BatchSet(client, _settings, "write unmatched payments");
        var ttl = UnmatchedStatements.FinishedTtl(_settings, _time);
        foreach (var (row, timestamp) in rows)
        {
            unmatched.Write(batches.Row, row, timestamp, ttl);
            _byTime?.Write(batches.Row, row, timestamp, ttl);
            await batches.AddAsync(ReplicasOfBucket(UnmatchedStatements.Bucket(row.OrderId)), cancellationToken);
        }

        await batches.SendAsync(cancellationToken);
        return batches.Bytes;
    }

    // The orders whose guarded payment would displace another one.
    private async Task<HashSet<long>?> RefusedAsync(IReadOnlyList<FactWrite> writes, CancellationToken cancellationToken)
    {
        Dictionary<long, FactWrite>? guarded = null;
        foreach (var write in writes)
        {
            if (write is { PaymentGuarded: true, Payment: not null })
            {
                (guarded ??= [])[write.OrderId] = write;
            }
        }

        if (guarded is null)
        {
            return null;
        }

        HashSet<long>? refused = null;
        await ReadByIdAsync(Opened.Facts.ReadPayments, [.. guarded.Keys], row =>
        {
            var fact = Opened.Facts.ToPayment(row);
            if (PaymentGuard.Refuses(fact, guarded[fact.OrderId]))
            {
                (refused ??= []).Add(fact.OrderId);
            }
        }, cancellationToken);
        return refused;
    }

    // Ids of one replica set are asked for together; the rows are handed over one answer after the other.
    private async Task ReadByIdAsync(IStatement statement, IReadOnlyCollection<long> orderIds, Action<IPage> take, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var (client, _, _) = Opened;
        try
        {
            await _recent.RestoredAsync(orderIds, cancellationToken);
            var reads = orderIds
                .Distinct()
                .GroupBy(ReplicasOf)
                .SelectMany(group => group.Chunk(_settings.ReadBatch).Select(ids =>
                    client.ReadAsync(statement, $"read {ids.Length} orders", group.Key, new OrderIds(ids), PageRequest.All, cancellationToken)));
            foreach (var page in await Task.WhenAll(reads))
            {
                while (page.Next())
                {
                    take(page);
                }
            }
        }
        catch (CqlFault failed)
        {
            throw StoreErrors.OfRead(failed, _settings);
        }
    }

    private void Skip(FormatException undecodable) => _undecodable.Skip($"{_settings.Keyspace}.{_settings.UnmatchedTable}", undecodable);

    // A table that another process has just created is in system_schema a moment before statements can use it.
    private async Task<OpenTables> PrepareCreatedAsync(ICqlClient client, CancellationToken cancellationToken)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await PrepareAsync(client, cancellationToken);
            }
            catch (CqlFault early) when (early.Kind == FaultKind.Invalid && attempt < PrepareAttempts)
            {
                await Task.Delay(_prepareAgain, _time, cancellationToken);
            }
        }
    }

    private async Task<OpenTables> PrepareAsync(ICqlClient client, CancellationToken cancellationToken) => new(
        client,
        await FactStatements.PrepareAsync(client, $"{_settings.Keyspace}.{_settings.FactsTable}", _settings.WriteTimestampOffset, cancellationToken),
        await UnmatchedStatements.PrepareAsync(client, $"{_settings.Keyspace}.{_settings.UnmatchedTable}", cancellationToken));

    [LoggerMessage(Level = LogLevel.Warning, Message = "The schema in Cassandra may lose data: {Difference}")]
    private static partial void LogSchemaWarning(ILogger logger, string difference);

    private sealed record OpenTables(ICqlClient Client, FactStatements Facts, UnmatchedStatements Unmatched);
}
