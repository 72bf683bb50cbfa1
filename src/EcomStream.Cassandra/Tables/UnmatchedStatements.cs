using System.Buffers.Binary;
using System.Globalization;
using System.Text;
using EcomStream.Cassandra.Seam;
using EcomStream.Core;

namespace EcomStream.Cassandra.Tables;

/// <summary>The statements of the table of unmatched payments.</summary>
internal sealed class UnmatchedStatements
{
    /// <summary>Partitions of the table.</summary>
    public const int Buckets = 256;

    // The write timestamp of since is so many microseconds minus twice since, at least 1: the earlier since has the later
    // write timestamp and remains. It is three times 2025-01-01, so that for every row written since then it lies before
    // 2025: a DELETE removes it, and no guardrail for write timestamps in the future refuses it.
    private const long SinceCeiling = 3 * 1_735_689_600_000_000;
    private const string Columns =
        "order_id, payment_key, data, publish_time, message_id, subscription, reason, state, since, changed, detail, replays, attributes, history";

    private const string KeyColumns = "order_id, payment_key, publish_time, state, reason, writetime(state)";

    // Columns of the two reads that hold the write timestamp of the row.
    private const int WriteTimeOfRead = 14;
    private const int WriteTimeOfKeys = 5;

    // Cassandra 4, and 5 with its default storage_compatibility_mode, has no later expiry (CASSANDRA-14092); an hour less,
    // for clocks that differ.
    private static readonly DateTimeOffset _lastExpiry = new(2038, 1, 19, 2, 0, 0, TimeSpan.Zero);

    private readonly IStatement _write;
    private readonly IStatement _writeSince;

    private UnmatchedStatements(
        IStatement write, IStatement writeSince, IStatement read, IStatement readRow, IStatement keys, IReadOnlyList<IStatement> unjoined, IStatement checkAccess)
    {
        (_write, _writeSince, Read, ReadRow, Keys) = (write, writeSince, read, readRow, keys);
        (Unjoined, CheckAccess) = (unjoined, checkAccess);
    }

    /// <summary>Reads whole rows of some orders of one bucket.</summary>
    public IStatement Read { get; }

    /// <summary>Reads one row.</summary>
    public IStatement ReadRow { get; }

    /// <summary>Reads the keys and what decides of all rows of one bucket.</summary>
    public IStatement Keys { get; }

    /// <summary>
    /// Reads the same of the unjoined payments of one bucket: one statement for each of their states. The server leaves out
    /// the other rows.
    /// </summary>
    public IReadOnlyList<IStatement> Unjoined { get; }

    /// <summary>Needs the permission to write; with an empty list of orders it changes nothing.</summary>
    public IStatement CheckAccess { get; }

    public static async Task<UnmatchedStatements> PrepareAsync(ICqlClient client, string table, CancellationToken cancellationToken) => new(
        await client.PrepareAsync(
            $"INSERT INTO {table} (bucket, order_id, payment_key, data, publish_time, message_id, subscription, reason, state, changed, detail, replays, attributes, history) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?",
            cancellationToken),
        await client.PrepareAsync(
            $"UPDATE {table} USING TIMESTAMP ? AND TTL ? SET since = ? WHERE bucket = ? AND order_id = ? AND payment_key = ?", cancellationToken),
        await client.PrepareAsync($"SELECT {Columns}, writetime(state) FROM {table} WHERE bucket = ? AND order_id IN ?", cancellationToken),
        await client.PrepareAsync(
            $"SELECT {Columns}, writetime(state) FROM {table} WHERE bucket = ? AND order_id = ? AND payment_key = ?", cancellationToken),
        await client.PrepareAsync($"SELECT {KeyColumns} FROM {table} WHERE bucket = ?", cancellationToken),
        await PrepareUnjoinedAsync(client, table, cancellationToken),
        await client.PrepareAsync(
            $"DELETE detail FROM {table} USING TIMESTAMP ? WHERE bucket = ? AND order_id IN ? AND payment_key = ?", cancellationToken));

    private static async Task<IReadOnlyList<IStatement>> PrepareUnjoinedAsync(ICqlClient client, string table, CancellationToken cancellationToken)
    {
        const DeadLetterReason Reason = DeadLetterReason.NoMatchingOrder;
        var statements = new List<IStatement>();
        foreach (var state in Enum.GetValues<UnmatchedState>().Where(state => state.IsUnjoined(Reason)))
        {
            var reason = state == UnmatchedState.Waiting ? "" : $"AND reason = '{Reason.ToAttribute()}' ";
            statements.Add(await client.PrepareAsync(
                $"SELECT {KeyColumns} FROM {table} WHERE bucket = ? AND state = '{state.ToText()}' {reason}ALLOW FILTERING", cancellationToken));
        }

        return statements;
    }

    /// <summary>The bucket of an order: the top byte of a multiplicative hash. It is in the data, so it never changes.</summary>
    public static int Bucket(long orderId) => (int)(((ulong)orderId * 0x9E3779B97F4A7C15) >> 56);

    /// <summary>Seconds that a finished row is kept from now on; 0 for ever.</summary>
    public static int FinishedTtl(CassandraSettings settings, TimeProvider time)
    {
        // What would expire after Cassandra's last day would be refused as wrong data, so it expires on it.
        var (longest, left) = (CassandraSettings.LongestTtl, _lastExpiry - time.GetUtcNow());
        return (int)Math.Min(settings.FinishedTtl.TotalSeconds, (left > TimeSpan.Zero && left < longest ? left : longest).TotalSeconds);
    }

    /// <summary>The nodes that hold a bucket.</summary>
    public static ReplicaGroup ReplicasOf(ICqlClient client, int bucket)
    {
        Span<byte> key = stackalloc byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(key, bucket);
        return client.ReplicasOf(key);
    }

    /// <summary>Adds a row's statements.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="row">The row.</param>
    /// <param name="timestamp">Its write timestamp: greater than that of every write before.</param>
    /// <param name="finishedTtl">Seconds that it is kept when it is finished; 0 for ever.</param>
    public void Write(IWriteBatch batch, UnmatchedPayment row, long timestamp, int finishedTtl)
    {
        var finished = !row.IsHealable;
        var ttl = finished ? finishedTtl : 0;
        batch.Add(_write, new RowValues(row, timestamp, ttl));

        // The earliest since remains: the earlier it is, the higher is its write timestamp. A finished row's, of the
        // same time, is higher by one, or it would outlive the row.
        batch.Add(_writeSince, new SinceValues(row, Math.Max(1, SinceCeiling - (2 * row.SinceMicros) + (finished ? 1 : 0)), ttl));
    }

    /// <summary>A row of <see cref="Read"/>; null for one that is just expiring, which may have lost columns.</summary>
    /// <exception cref="FormatException">It cannot be decoded; the message names its key.</exception>
    public static UnmatchedPayment? ToRow(IPage row)
    {
        if (row.IsNull(7) || row.IsNull(6))
        {
            return null;
        }

        return Decoded(row, row =>
        {
            var changed = Required(row.Int64OrNull(9), "changed");
            var history = row.TextOrNull(13) ?? "";
            return new UnmatchedPayment
            {
                OrderId = Required(row.Int64OrNull(0), "order_id"),
                PaymentKey = Required(row.TextOrNull(1), "payment_key"),
                Data = row.Bytes(2).ToArray(),
                PublishTimeMicros = Required(row.Int64OrNull(3), "publish_time"),
                MessageId = Required(row.TextOrNull(4), "message_id"),
                Subscription = Required(row.TextOrNull(5), "subscription"),
                Reason = DeadLetterReasons.OfRow(row.TextOrNull(6)!),
                State = UnmatchedStates.OfRow(row.TextOrNull(7)!),

                // It has a lifetime of its own, and a DELETE at the current time hides it for good.
                SinceMicros = row.Int64OrNull(8) ?? FirstTime(history) ?? changed,
                ChangedMicros = changed,
                Detail = row.TextOrNull(10) ?? "",
                Replays = Required(row.Int32OrNull(11), "replays"),

                // Null where an earlier version wrote the row.
                AttributesJson = row.TextOrNull(12) ?? MessageAttributes.None,
                History = history,
            };
        });
    }

    /// <summary>A row of <see cref="Keys"/>; null for one that is just expiring.</summary>
    /// <exception cref="FormatException">It cannot be decoded; the message names its key.</exception>
    public static UnmatchedKey? ToKey(IPage row) =>
        row.IsNull(3) || row.IsNull(4)
            ? null
            : Decoded(row, row => new UnmatchedKey(
                new UnmatchedCursor(
                    Required(row.Int64OrNull(2), "publish_time"), Required(row.Int64OrNull(0), "order_id"), Encoding.UTF8.GetString(row.Bytes(1))),
                UnmatchedStates.OfRow(row.TextOrNull(3)!),
                DeadLetterReasons.OfRow(row.TextOrNull(4)!)));

    /// <summary>The write timestamp of a row of <see cref="Read"/>, microseconds; 0 for one that is just expiring.</summary>
    public static long WriteTime(IPage row) => row.Int64OrNull(WriteTimeOfRead) ?? 0;

    /// <summary>The write timestamp of a row of <see cref="Keys"/>, microseconds; 0 for one that is just expiring.</summary>
    public static long WriteTimeOfKey(IPage row) => row.Int64OrNull(WriteTimeOfKeys) ?? 0;

    // Both reads begin with the key.
    private static T Decoded<T>(IPage row, Func<IPage, T> decode)
    {
        try
        {
            return decode(row);
        }
        catch (Exception undecodable) when (undecodable is FormatException or StoreRejectedException)
        {
            throw new FormatException(
                $"bucket {(row.Int64OrNull(0) is { } orderId ? Bucket(orderId) : "?")}, order_id {row.Int64OrNull(0)}, payment_key '{row.TextOrNull(1)}': {undecodable.Message}",
                undecodable);
        }
    }

    private static T Required<T>(T? value, string column)
        where T : struct =>
        value ?? throw new FormatException($"{column} has no value");

    private static string Required(string? value, string column) => value ?? throw new FormatException($"{column} has no value");

    // The first line of the history begins with the time at which the row was first written.
    private static long? FirstTime(string history) =>
        history.Length > 0
        && DateTimeOffset.TryParse(history.AsSpan(0, Math.Max(0, history.IndexOf(' '))), CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time)
            ? Timestamps.Micros(time)
            : null;

    private readonly struct RowValues(UnmatchedPayment row, long timestamp, int ttl) : IStatementValues
    {
        public void Write<TCells>(ref TCells cells)
            where TCells : struct, ICells
        {
            cells.Int(Bucket(row.OrderId));
            cells.Bigint(row.OrderId);
            cells.Text(row.PaymentKey);
            cells.Blob(row.Data.Span);
            cells.Bigint(row.PublishTimeMicros);
            cells.Text(row.MessageId);
            cells.Text(row.Subscription);
            cells.Text(row.Reason.ToAttribute());
            cells.Text(row.State.ToText());
            cells.Bigint(row.ChangedMicros);
            cells.Text(row.Detail);
            cells.Int(row.Replays);
            cells.Text(row.AttributesJson);
            cells.Text(row.History);
            cells.Bigint(timestamp);
            cells.Int(ttl);
        }
    }

    private readonly struct SinceValues(UnmatchedPayment row, long timestamp, int ttl) : IStatementValues
    {
        public void Write<TCells>(ref TCells cells)
            where TCells : struct, ICells
        {
            cells.Bigint(timestamp);
            cells.Int(ttl);
            cells.Bigint(row.SinceMicros);
            cells.Int(Bucket(row.OrderId));
            cells.Bigint(row.OrderId);
            cells.Text(row.PaymentKey);
        }
    }
}

/// <summary>The place of an unmatched row in a listing, and what a query asks about.</summary>
internal readonly record struct UnmatchedKey(UnmatchedCursor Place, UnmatchedState State, DeadLetterReason Reason) : IComparable<UnmatchedKey>
{
    public bool IsHealable => State.IsHealable(Reason);

    public bool IsUnjoined => State.IsUnjoined(Reason);

    public int CompareTo(UnmatchedKey other) => Place.CompareTo(other.Place);
}
