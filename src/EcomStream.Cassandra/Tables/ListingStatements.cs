using System.Text;
using EcomStream.Cassandra.Seam;
using EcomStream.Core;

namespace EcomStream.Cassandra.Tables;

/// <summary>
/// The statements of the table that lists unmatched payments by publish time. It has the partitions of their own table, so
/// the entries of a row are written in its batch. An entry is a hint: the row is read before it is shown.
/// </summary>
internal sealed class ListingStatements
{
    /// <summary>The kind of entry that every row has.</summary>
    public const string All = "all";

    // Whether every row has its entries.
    private const string Complete = "complete";

    // Greater than every payment key.
    private const string LastKey = "\U0010FFFF";

    private const string Place = "(publish_time, order_id, payment_key)";

    private readonly IStatement _insert;
    private readonly IStatement _delete;
    private readonly IStatement _oldestFirst;
    private readonly IStatement _newestFirst;
    private readonly IStatement _checkAccess;

    private ListingStatements(IStatement insert, IStatement delete, IStatement oldestFirst, IStatement newestFirst, IStatement checkAccess) =>
        (_insert, _delete, _oldestFirst, _newestFirst, _checkAccess) = (insert, delete, oldestFirst, newestFirst, checkAccess);

    /// <summary>Prepares the statements.</summary>
    /// <param name="client">The client.</param>
    /// <param name="table">keyspace.table.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public static async Task<ListingStatements> PrepareAsync(ICqlClient client, string table, CancellationToken cancellationToken)
    {
        const string Between = $"bucket = ? AND kind = ? AND {Place} > (?, ?, ?) AND {Place} < (?, ?, ?)";
        return new ListingStatements(
            await client.PrepareAsync(
                $"INSERT INTO {table} (bucket, kind, publish_time, order_id, payment_key) VALUES (?, ?, ?, ?, ?) USING TIMESTAMP ? AND TTL ?", cancellationToken),
            await client.PrepareAsync(
                $"DELETE FROM {table} USING TIMESTAMP ? WHERE bucket = ? AND kind = ? AND publish_time = ? AND order_id = ? AND payment_key = ?", cancellationToken),
            await client.PrepareAsync($"SELECT publish_time, order_id, payment_key FROM {table} WHERE {Between} LIMIT ?", cancellationToken),
            await client.PrepareAsync(
                $"SELECT publish_time, order_id, payment_key FROM {table} WHERE {Between} ORDER BY kind DESC, publish_time DESC, order_id DESC, payment_key DESC LIMIT ?",
                cancellationToken),
            await client.PrepareAsync($"DELETE FROM {table} USING TIMESTAMP ? WHERE bucket = ? AND kind = ? AND publish_time IN ?", cancellationToken));
    }

    /// <summary>The kind of entry that the rows with a state and a reason have.</summary>
    public static string Kind(UnmatchedState state, DeadLetterReason reason) => $"{state.ToText()}/{reason.ToAttribute()}";

    /// <summary>The kinds of entries that a query asks for.</summary>
    public static IReadOnlyList<string> KindsOf(UnmatchedQuery query)
    {
        if (query.States.Count == 0 && query.Reasons.Count == 0)
        {
            return [All];
        }

        var states = query.States.Count > 0 ? query.States.Distinct() : Enum.GetValues<UnmatchedState>();
        var reasons = query.Reasons.Count > 0 ? query.Reasons.Distinct() : Enum.GetValues<DeadLetterReason>();

        // A payment waits for no other reason.
        return [.. states.SelectMany(state => reasons
            .Where(reason => state != UnmatchedState.Waiting || reason == DeadLetterReason.NoMatchingOrder).Select(reason => Kind(state, reason)))];
    }

    /// <summary>Adds the entries of a row to its batch, and deletes those that it may have had before.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="row">The row.</param>
    /// <param name="timestamp">Its write timestamp.</param>
    /// <param name="finishedTtl">Seconds that it is kept when it is finished; 0 for ever.</param>
    public void Write(IWriteBatch batch, UnmatchedPayment row, long timestamp, int finishedTtl)
    {
        var kind = Kind(row.State, row.Reason);
        AddEntry(batch, new UnmatchedKey(UnmatchedCursor.Of(row), row.State, row.Reason), timestamp, finishedTtl);
        foreach (var former in FormerKinds(row).Where(former => former != kind))
        {
            batch.Add(_delete, new DeletedEntry(former, UnmatchedCursor.Of(row), timestamp));
        }
    }

    /// <summary>Adds the entries of a row when only its key is known.</summary>
    /// <param name="batch">The batch.</param>
    /// <param name="row">The row.</param>
    /// <param name="timestamp">Its write timestamp.</param>
    /// <param name="finishedTtl">Seconds that it is kept when it is finished; 0 for ever.</param>
    public void AddEntry(IWriteBatch batch, UnmatchedKey row, long timestamp, int finishedTtl)
    {
        var ttl = row.IsHealable ? 0 : finishedTtl;
        batch.Add(_insert, new InsertedEntry(UnmatchedStatements.Bucket(row.Place.OrderId), All, row.Place, timestamp, ttl));
        batch.Add(_insert, new InsertedEntry(UnmatchedStatements.Bucket(row.Place.OrderId), Kind(row.State, row.Reason), row.Place, timestamp, ttl));
    }

    /// <summary>Adds the entry that tells that every row has its entries.</summary>
    public void AddComplete(IWriteBatch batch, long timestamp) => batch.Add(_insert, new InsertedEntry(0, Complete, new UnmatchedCursor(0, 0, ""), timestamp, 0));

    /// <summary>Needs the permission to write, and changes nothing.</summary>
    public void AddAccessCheck(IWriteBatch batch) => batch.Add(_checkAccess, new NoEntries());

    /// <summary>Whether every row has its entries.</summary>
    public async Task<bool> IsCompleteAsync(ICqlClient client, CancellationToken cancellationToken) =>
        (await client.ReadAsync(
            _oldestFirst,
            "see whether unmatched payments are listed by time",
            UnmatchedStatements.ReplicasOf(client, 0),
            new PlaceRange(0, Complete, First, Last, 1),
            PageRequest.All,
            cancellationToken)).Next();

    /// <summary>Reads the places of some rows of one bucket, in the order of a query.</summary>
    /// <param name="client">The client.</param>
    /// <param name="bucket">The bucket.</param>
    /// <param name="kind">The kind of entry.</param>
    /// <param name="query">Its times, and which end comes first.</param>
    /// <param name="after">The places follow this one; null from the beginning.</param>
    /// <param name="limit">At most so many.</param>
    /// <param name="cancellationToken">Stops it.</param>
    public async Task<List<UnmatchedCursor>> ReadAsync(
        ICqlClient client,
        int bucket,
        string kind,
        UnmatchedQuery query,
        UnmatchedCursor? after,
        int limit,
        CancellationToken cancellationToken)
    {
        // No row has the first key of a time, nor the last one.
        var from = First with { PublishTimeMicros = query.PublishedFromMicros };
        var until = Last with { PublishTimeMicros = query.PublishedUntilMicros };
        if (after is { } place)
        {
            (from, until) = query.NewestFirst
                ? (from, place.CompareTo(until) < 0 ? place : until)
                : (place.CompareTo(from) > 0 ? place : from, until);
        }

        var page = await client.ReadAsync(
            query.NewestFirst ? _newestFirst : _oldestFirst,
            "list unmatched payments",
            UnmatchedStatements.ReplicasOf(client, bucket),
            new PlaceRange(bucket, kind, from, until, limit),
            PageRequest.All,
            cancellationToken);
        var places = new List<UnmatchedCursor>();
        while (page.Next())
        {
            places.Add(new UnmatchedCursor(page.Int64OrNull(0) ?? 0, page.Int64OrNull(1) ?? 0, Encoding.UTF8.GetString(page.Bytes(2))));
        }

        return places;
    }

    private static UnmatchedCursor First => new(long.MinValue, long.MinValue, "");

    private static UnmatchedCursor Last => new(long.MaxValue, long.MaxValue, LastKey);

    // The reason may have changed with the state; a row that was just made had none before.
    private static IEnumerable<string> FormerKinds(UnmatchedPayment row)
    {
        var lines = UnmatchedHistory.Lines(row.History);
        if (lines.Count <= 1)
        {
            yield break;
        }

        DeadLetterReason[] reasons = row.Reason == DeadLetterReason.NoMatchingOrder ? [row.Reason] : [row.Reason, DeadLetterReason.NoMatchingOrder];
        foreach (var state in Enum.GetValues<UnmatchedState>())
        {
            var text = $" {state.ToText()}";
            if (state == row.State || lines.Any(line => line.Contains(text, StringComparison.Ordinal)))
            {
                foreach (var reason in reasons.Where(reason => state != UnmatchedState.Waiting || reason == DeadLetterReason.NoMatchingOrder))
                {
                    yield return Kind(state, reason);
                }
            }
        }
    }

    private static void AddPlace<TCells>(ref TCells cells, UnmatchedCursor place)
        where TCells : struct, ICells
    {
        cells.Bigint(place.PublishTimeMicros);
        cells.Bigint(place.OrderId);
        cells.Text(place.PaymentKey);
    }

    private readonly struct InsertedEntry(int bucket, string kind, UnmatchedCursor place, long timestamp, int ttl) : IStatementValues
    {
        public void Write<TCells>(ref TCells cells)
            where TCells : struct, ICells
        {
            cells.Int(bucket);
            cells.Text(kind);
            AddPlace(ref cells, place);
            cells.Bigint(timestamp);
            cells.Int(ttl);
        }
    }

    private readonly struct DeletedEntry(string kind, UnmatchedCursor place, long timestamp) : IStatementValues
    {
        public void Write<TCells>(ref TCells cells)
            where TCells : struct, ICells
        {
            cells.Bigint(timestamp);
            cells.Int(UnmatchedStatements.Bucket(place.OrderId));
            cells.Text(kind);
            AddPlace(ref cells, place);
        }
    }

    private readonly struct NoEntries : IStatementValues
    {
        public void Write<TCells>(ref TCells cells)
            where TCells : struct, ICells
        {
            cells.Bigint(1);
            cells.Int(0);
            cells.Text(All);
            cells.Bigints([]);
        }
    }

    private readonly struct PlaceRange(int bucket, string kind, UnmatchedCursor after, UnmatchedCursor before, int limit) : IStatementValues
    {
        public void Write<TCells>(ref TCells cells)
            where TCells : struct, ICells
        {
            cells.Int(bucket);
            cells.Text(kind);
            AddPlace(ref cells, after);
            AddPlace(ref cells, before);
            cells.Int(limit);
        }
    }
}
