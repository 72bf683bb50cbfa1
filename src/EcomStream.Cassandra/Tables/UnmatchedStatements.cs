using System.Text;
using EcomStream.Cassandra.Seam;
using EcomStream.Core;

namespace EcomStream.Cassandra.Tables;

/// <summary>The statements of the table of unmatched payments.</summary>
internal sealed class UnmatchedStatements
{
    /// <summary>Partitions of the table.</summary>
    public const int Buckets = 256;

    // Above every since, and small enough to leave twice a since below it.
    private const long SinceCeiling = 1L << 53;
    private const string Columns =
        "order_id, payment_key, data, publish_time, message_id, subscription, reason, state, since, changed, detail, replays, attributes, history";

    // Columns of the two reads that hold the write timestamp of the row.
    private const int WriteTimeOfRead = 14;
    private const int WriteTimeOfKeys = 5;

    private readonly IStatement _write;
    private readonly IStatement _writeSince;

    private UnmatchedStatements(IStatement write, IStatement writeSince, IStatement read, IStatement keys) =>
        (_write, _writeSince, Read, Keys) = (write, writeSince, read, keys);

    /// <summary>Reads whole rows of some orders of one bucket.</summary>
    public IStatement Read { get; }

    /// <summary>Reads the keys and what decides of all rows of one bucket.</summary>
    public IStatement Keys { get; }

    public static async Task<UnmatchedStatements> PrepareAsync(ICqlClient client, string table, CancellationToken cancellationToken) => new(
        await client.PrepareAsync(
            $"INSERT INTO {table} (bucket, order_id, payment_key, data, publish_time, message_id, subscription, reason, state, changed, detail, replays, attributes, history) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?",
            cancellationToken),
        await client.PrepareAsync(
            $"UPDATE {table} USING TIMESTAMP ? AND TTL ? SET since = ? WHERE bucket = ? AND order_id = ? AND payment_key = ?", cancellationToken),
        await client.PrepareAsync($"SELECT {Columns}, writetime(state) FROM {table} WHERE bucket = ? AND order_id IN ?", cancellationToken),
        await client.PrepareAsync($"SELECT order_id, payment_key, publish_time, state, reason, writetime(state) FROM {table} WHERE bucket = ?", cancellationToken));

    /// <summary>The bucket of an order: the top byte of a multiplicative hash. It is in the data, so it never changes.</summary>
    public static int Bucket(long orderId) => (int)(((ulong)orderId * 0x9E3779B97F4A7C15) >> 56);

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

    /// <summary>A row of <see cref="Read"/>.</summary>
    public static UnmatchedPayment ToRow(IPage row)
    {
        var changed = row.Int64OrNull(9)!.Value;
        return new UnmatchedPayment
        {
            OrderId = row.Int64OrNull(0)!.Value,
            PaymentKey = row.TextOrNull(1)!,
            Data = row.Bytes(2).ToArray(),
            PublishTimeMicros = row.Int64OrNull(3)!.Value,
            MessageId = row.TextOrNull(4)!,
            Subscription = row.TextOrNull(5)!,
            Reason = DeadLetterReasons.OfRow(row.TextOrNull(6)!),
            State = UnmatchedStates.OfRow(row.TextOrNull(7)!),

            // It has a life of its own: where it has ended, the row has been waiting since it changed at the latest.
            SinceMicros = row.Int64OrNull(8) ?? changed,
            ChangedMicros = changed,
            Detail = row.TextOrNull(10)!,
            Replays = row.Int32OrNull(11)!.Value,

            // Null where an earlier version wrote the row.
            AttributesJson = row.TextOrNull(12) ?? MessageAttributes.None,
            History = row.TextOrNull(13) ?? "",
        };
    }

    /// <summary>A row of <see cref="Keys"/>; null for one that is just expiring.</summary>
    public static UnmatchedKey? ToKey(IPage row) =>
        row.TextOrNull(3) is { } state && row.TextOrNull(4) is { } reason
            ? new UnmatchedKey(
                new UnmatchedCursor(row.Int64OrNull(2)!.Value, row.Int64OrNull(0)!.Value, Encoding.UTF8.GetString(row.Bytes(1))),
                UnmatchedStates.OfRow(state),
                DeadLetterReasons.OfRow(reason))
            : null;

    /// <summary>The write timestamp of a row of <see cref="Read"/>, microseconds; 0 for one that is just expiring.</summary>
    public static long WriteTime(IPage row) => row.Int64OrNull(WriteTimeOfRead) ?? 0;

    /// <summary>The write timestamp of a row of <see cref="Keys"/>, microseconds; 0 for one that is just expiring.</summary>
    public static long WriteTimeOfKey(IPage row) => row.Int64OrNull(WriteTimeOfKeys) ?? 0;

    /// <summary>Whether the row of <see cref="Read"/> is whole: one that is just expiring may have lost columns.</summary>
    public static bool IsWhole(IPage row) => !row.IsNull(7) && !row.IsNull(6);

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

    public int CompareTo(UnmatchedKey other) => Place.CompareTo(other.Place);
}
