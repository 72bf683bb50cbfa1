using EcomStream.Cassandra.Seam;
using EcomStream.Cassandra.Tables;
using EcomStream.Cassandra.Writing;
using EcomStream.Core;

namespace EcomStream.Cassandra;

/// <summary>Writes the entries of rows that were there before the table of listings was.</summary>
internal static class ListingBackfill
{
    // Every other write of an entry is newer, and remains.
    private const long Oldest = 1;

    /// <summary>Writes the missing entries, and then that none is missing. Several processes may do it at the same time.</summary>
    /// <param name="client">The client.</param>
    /// <param name="settings">Batch sizes and the lifetime of finished rows.</param>
    /// <param name="statements">The statements of the listing.</param>
    /// <param name="rows">Reads the rows.</param>
    /// <param name="time">The clock.</param>
    /// <param name="cancellationToken">Stops it.</param>
    /// <returns>How many rows there were.</returns>
    public static async Task<long> RunAsync(
        ICqlClient client,
        CassandraSettings settings,
        ListingStatements statements,
        UnmatchedListing rows,
        TimeProvider time,
        CancellationToken cancellationToken)
    {
        var count = 0L;
        var ttl = UnmatchedStatements.FinishedTtl(settings, time);
        using (var batches = new BatchSet(client, settings, "list unmatched payments by time"))
        {
            await foreach (var key in rows.UnorderedAsync(new UnmatchedQuery(), cancellationToken))
            {
                statements.AddEntry(batches.Row, key, Oldest, ttl);
                await batches.AddAsync(UnmatchedStatements.ReplicasOf(client, UnmatchedStatements.Bucket(key.Place.OrderId)), cancellationToken);
                count++;
            }

            await batches.SendAsync(cancellationToken);
        }

        using var end = new BatchSet(client, settings, "list unmatched payments by time");
        statements.AddComplete(end.Row, Oldest);
        await end.AddAsync(UnmatchedStatements.ReplicasOf(client, 0), cancellationToken);
        await end.SendAsync(cancellationToken);
        return count;
    }
}
