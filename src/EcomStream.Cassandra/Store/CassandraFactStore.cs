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
/// The fact store on Apache Cassandra. A batch of writes becomes unlogged batches, each for the partitions of one
/// replica set; each side of a row carries its message's stamp as the write timestamp, so that rows converge on their
/// own. Guarded payments are read first: that needs, as the port says, that one order's writes come one at a time.
/// </summary>
public sealed class CassandraFactStore : IFactStore
{
    private const int ScanPage = 1_000;
    private const int FetchRows = 500;

    // A row in memory is some twice its bytes as they are sent: its text is UTF-16, and it is made of objects.
    private const int InMemory = 2;

    // Cassandra 4, and 5 with its default storage_compatibility_mode, knows no later time (CASSANDRA-14092); an hour less,
    // for clocks that differ.
    private static readonly DateTimeOffset _lastExpiry = new(2038, 1, 19, 2, 0, 0, TimeSpan.Zero);

    private readonly CassandraSettings _settings;
    private readonly CassandraSchema _schema;
    private readonly ILogger _logger;
    private readonly TimeProvider _time;
    private readonly SemaphoreSlim _opening = new(1, 1);
    private ICqlClient? _client;
    private OpenTables? _tables;
    private readonly RecentWrites _recent;
    private long _lastTimestamp;

    /// <summary>Makes a store; nothing is connected before <see cref="InitializeAsync"/>.</summary>
    /// <param name="settings">Where and how.</param>
    /// <param name="loggers">Where it logs; nowhere when left out.</param>
    /// <param name="time">The clock; the system's when left out.</param>
    /// <exception cref="StoreRejectedException">A name in the settings is none that CQL takes.</exception>
    public CassandraFactStore(CassandraSettings settings, ILoggerFactory? loggers = null, TimeProvider? time = null)
    {
        _settings = settings;
        _logger = (loggers ?? NullLoggerFactory.Instance).CreateLogger<CassandraFactStore>();
        _time = time ?? TimeProvider.System;
        _schema = StoreErrors.Schema(settings);

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
                _client = await NativeClient.ConnectAsync(_settings, _logger, _time, cancellationToken);
                _client.OnNodeLost(_recent.NodeLost);
            }

            var client = _client;
            var differences = await _schema.DifferencesAsync(client, cancellationToken);
            if (differences.Count > 0 && _settings.CreateSchema)
            {
                await _schema.ApplyAsync(client, cancellationToken);
                differences = await _schema.DifferencesAsync(client, cancellationToken);
            }

            if (differences.Count > 0)
            {
                throw new StoreRejectedException(
                    $"Cassandra at {string.Join(", ", _settings.ContactPoints)} has not the schema that EcomStream needs: {string.Join("; ", differences)}. 'ecomstream schema print' shows it, 'schema apply' makes what is missing.");
            }

            _tables = new OpenTables(
                client,
                await FactStatements.PrepareAsync(client, $"{_settings.Keyspace}.{_settings.FactsTable}", cancellationToken),
                await UnmatchedStatements.PrepareAsync(client, $"{_settings.Keyspace}.{_settings.UnmatchedTable}", cancellationToken));
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
        try
        {
            await _recent.RoomAsync(cancellationToken);
            var refused = await RefusedAsync(writes, cancellationToken);
            var losses = _recent.Losses;
            var bytes = await SendAsync(writes, refused, cancellationToken);
            Keep(losses, writes, bytes, write => ReplicasOf(write.OrderId), write => write.OrderId, (part, stop) => SendAsync(part, refused, stop));

            return refused is null ? [] : [.. refused];
        }
        catch (CqlFault failed)
        {
            throw StoreErrors.OfWrite(failed, _settings);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<OrderFact?>> ReadAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken)
    {
        var found = new Dictionary<long, OrderFact>(orderIds.Count);
        await ReadByIdAsync(Opened.Facts.Read, orderIds, row =>
        {
            var fact = FactStatements.ToFact(row);
            found[fact.OrderId] = fact;
        }, cancellationToken);
        return [.. orderIds.Select(found.GetValueOrDefault)];
    }

    /// <inheritdoc/>
    public async ValueTask WriteUnmatchedAsync(IReadOnlyList<UnmatchedPayment> rows, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        try
        {
            await _recent.RoomAsync(cancellationToken);
            (UnmatchedPayment Row, long)[] stamped = [.. rows.Select(row => (row, NextTimestamp()))];
            var losses = _recent.Losses;
            var bytes = await SendAsync(stamped, cancellationToken);
            Keep(
                losses,
                stamped,
                bytes,
                row => ReplicasOfBucket(UnmatchedStatements.Bucket(row.Row.OrderId)),
                row => row.Row.OrderId,
                SendAsync);
        }
        catch (CqlFault failed)
        {
            throw StoreErrors.OfWrite(failed, _settings);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnmatchedAsync(
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
                var rows = new List<UnmatchedPayment>();
                while (page.Next())
                {
                    Seen(UnmatchedStatements.WriteTime(page));
                    if (UnmatchedStatements.IsWhole(page))
                    {
                        rows.Add(UnmatchedStatements.ToRow(page));
                    }
                }

                return rows;
            }));
            return [.. (await Task.WhenAll(reads)).SelectMany(rows => rows)];
        }
        catch (CqlFault failed)
        {
            throw StoreErrors.OfRead(failed, _settings);
        }
    }

    /// <inheritdoc/>
    /// <remarks>
    /// The table is ordered by order, not by time: the keys of all rows that are asked for are read and sorted, some
    /// 60 bytes each, and then the rows a few hundred at a time.
    /// </remarks>
    public async IAsyncEnumerable<UnmatchedPayment> ListUnmatchedAsync(
        UnmatchedQuery query, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        foreach (var chunk in (await KeysAsync(query, cancellationToken)).Chunk(FetchRows))
        {
            var wanted = chunk.Select(key => (key.Place.OrderId, key.Place.PaymentKey)).ToHashSet();
            var rows = await ReadUnmatchedAsync([.. chunk.Select(key => key.Place.OrderId)], cancellationToken);

            // What has changed since its key was read is no longer asked for.
            foreach (var row in rows
                .Where(row => wanted.Contains((row.OrderId, row.PaymentKey)) && (query.State is null || row.State == query.State))
                .OrderBy(UnmatchedCursor.Of))
            {
                yield return row;
            }
        }
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<HealablePayment> ListHealableAsync(
        [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var key in ScanAsync(cancellationToken))
        {
            if (key.IsHealable)
            {
                yield return new HealablePayment(key.Place.OrderId, key.State, key.Place.PublishTimeMicros);
            }
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

    private ReplicaGroup ReplicasOfBucket(int bucket)
    {
        Span<byte> key = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(key, bucket);
        return Opened.Client.ReplicasOf(key);
    }

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
        var ttl = FinishedTtl();
        foreach (var (row, timestamp) in rows)
        {
            unmatched.Write(batches.Row, row, timestamp, ttl);
            await batches.AddAsync(ReplicasOfBucket(UnmatchedStatements.Bucket(row.OrderId)), cancellationToken);
        }

        await batches.SendAsync(cancellationToken);
        return batches.Bytes;
    }

    // Seconds. What would expire after Cassandra's last day would be refused as wrong data, so it expires on it.
    private int FinishedTtl()
    {
        var (longest, left) = (CassandraSettings.LongestTtl, _lastExpiry - _time.GetUtcNow());
        return (int)Math.Min(_settings.FinishedTtl.TotalSeconds, (left > TimeSpan.Zero && left < longest ? left : longest).TotalSeconds);
    }

    // The orders whose guarded payment would displace another one.
    private async Task<HashSet<long>?> RefusedAsync(IReadOnlyList<FactWrite> writes, CancellationToken cancellationToken)
    {
        Dictionary<long, long?>? guarded = null;
        foreach (var write in writes)
        {
            if (write is { PaymentGuarded: true, Payment: { } payment })
            {
                (guarded ??= [])[write.OrderId] = payment.PaymentId;
            }
        }

        if (guarded is null)
        {
            return null;
        }

        HashSet<long>? refused = null;
        await ReadByIdAsync(Opened.Facts.ReadPayments, [.. guarded.Keys], row =>
        {
            var (orderId, hasPayment, paymentId) = FactStatements.ToPayment(row);
            if (hasPayment && paymentId != guarded[orderId])
            {
                (refused ??= []).Add(orderId);
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

    private async Task<IReadOnlyList<UnmatchedKey>> KeysAsync(UnmatchedQuery query, CancellationToken cancellationToken)
    {
        var keys = new List<UnmatchedKey>();
        if (query.Limit <= 0)
        {
            return keys;
        }

        if (query.OrderId is { } orderId)
        {
            keys.AddRange((await ReadUnmatchedAsync([orderId], cancellationToken))
                .Select(row => new UnmatchedKey(UnmatchedCursor.Of(row), row.State, row.Reason))
                .Where(Matches));
        }
        else
        {
            await foreach (var key in ScanAsync(cancellationToken))
            {
                if (!Matches(key))
                {
                    continue;
                }

                keys.Add(key);
                if (keys.Count >= 2 * (long)query.Limit && keys.Count > ScanPage)
                {
                    keys.Sort();
                    keys.RemoveRange(query.Limit, keys.Count - query.Limit);
                }
            }
        }

        keys.Sort();
        return keys.Count <= query.Limit ? keys : keys.GetRange(0, query.Limit);

        bool Matches(UnmatchedKey key) =>
            (query.State is null || key.State == query.State)
            && (query.Reason is null || key.Reason == query.Reason)
            && key.Place.PublishTimeMicros >= query.PublishedFromMicros
            && key.Place.PublishTimeMicros <= query.PublishedUntilMicros
            && (query.After is not { } after || key.Place.CompareTo(after) > 0);
    }

    private async IAsyncEnumerable<UnmatchedKey> ScanAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var (client, _, unmatched) = Opened;
        for (var bucket = 0; bucket < UnmatchedStatements.Buckets; bucket++)
        {
            byte[]? next = null;
            do
            {
                IPage page;
                try
                {
                    page = await client.ReadAsync(
                        unmatched.Keys,
                        "list unmatched payments",
                        ReplicasOfBucket(bucket),
                        new BucketOnly(bucket),
                        new PageRequest(ScanPage, next),
                        cancellationToken);
                }
                catch (CqlFault failed)
                {
                    throw StoreErrors.OfRead(failed, _settings);
                }

                next = page.PagingState;
                while (page.Next())
                {
                    Seen(UnmatchedStatements.WriteTimeOfKey(page));
                    if (UnmatchedStatements.ToKey(page) is { } key)
                    {
                        yield return key;
                    }
                }
            }
            while (next is not null);
        }
    }

    // Microseconds, and greater than every one before, those of the rows that were read included: so of two writes of
    // one row the later one remains, also where the machine that wrote the first has a clock that is ahead of this one's.
    private long NextTimestamp()
    {
        while (true)
        {
            var last = Interlocked.Read(ref _lastTimestamp);
            var next = Math.Max(last + 1, _time.GetUtcNow().ToUnixTimeMilliseconds() * 1_000);
            if (Interlocked.CompareExchange(ref _lastTimestamp, next, last) == last)
            {
                return next;
            }
        }
    }

    private void Seen(long timestamp)
    {
        for (long last; (last = Interlocked.Read(ref _lastTimestamp)) < timestamp;)
        {
            Interlocked.CompareExchange(ref _lastTimestamp, timestamp, last);
        }
    }

    private sealed record OpenTables(ICqlClient Client, FactStatements Facts, UnmatchedStatements Unmatched);
}
