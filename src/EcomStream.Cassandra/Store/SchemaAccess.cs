using EcomStream.Cassandra.Seam;
using EcomStream.Cassandra.Tables;

namespace EcomStream.Cassandra;

/// <summary>
/// Checks that the role may do what a run does, and that the server allows it: SELECT and MODIFY on both tables, write
/// timestamps, and the consistency level. Everything is executed for no row at all, so nothing is read or written.
/// </summary>
internal static class SchemaAccess
{
    /// <exception cref="CqlFault">A permission is missing, or the server refuses such requests.</exception>
    public static async Task CheckAsync(ICqlClient client, FactStatements facts, UnmatchedStatements unmatched, CancellationToken cancellationToken)
    {
        var anywhere = client.ReplicasOf([0]);
        await client.ReadAsync(facts.Read, "check that the facts may be read", anywhere, new OrderIds([]), PageRequest.All, cancellationToken);
        await client.ReadAsync(unmatched.Read, "check that unmatched payments may be read", anywhere, new BucketAndOrders(0, []), PageRequest.All, cancellationToken);
        await WriteAsync(client, facts.CheckAccess, new NoOrders(), "check that the facts may be written", anywhere, cancellationToken);
        await WriteAsync(client, unmatched.CheckAccess, new NoUnmatchedOrders(), "check that unmatched payments may be written", anywhere, cancellationToken);
    }

    /// <summary>The same for the table of listings.</summary>
    /// <exception cref="CqlFault">A permission is missing, or the server refuses such requests.</exception>
    public static async Task CheckListingAsync(ICqlClient client, ListingStatements listing, CancellationToken cancellationToken)
    {
        using var batch = client.CreateBatch();
        listing.AddAccessCheck(batch);
        await WriteAsync(client, batch, "check that the listing of unmatched payments may be written", client.ReplicasOf([0]), cancellationToken);
    }

    private static async Task WriteAsync<TValues>(
        ICqlClient client, IStatement statement, TValues values, string operation, ReplicaGroup replicas, CancellationToken cancellationToken)
        where TValues : struct, IStatementValues
    {
        using var batch = client.CreateBatch();
        batch.Add(statement, values);
        await WriteAsync(client, batch, operation, replicas, cancellationToken);
    }

    private static async Task WriteAsync(ICqlClient client, IWriteBatch batch, string operation, ReplicaGroup replicas, CancellationToken cancellationToken)
    {
        var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await client.WriteAsync(
            batch,
            operation,
            replicas,
            failure =>
            {
                if (failure is null)
                {
                    ended.SetResult();
                }
                else
                {
                    ended.SetException(failure);
                }
            },
            cancellationToken);
        await ended.Task.WaitAsync(cancellationToken);
    }
}
