using EcomStream.Cassandra.Protocol;

namespace EcomStream.Cassandra.Cluster;

/// <summary>
/// A write on its way, one of a group: thousands are at any time, so it is no task. Where it fails, it becomes one.
/// </summary>
/// <param name="session">The session, which goes on with it where its node fails.</param>
/// <param name="request">The request.</param>
/// <param name="replicas">The nodes that hold its partitions.</param>
/// <param name="group">Is told when it has ended.</param>
/// <param name="began">When it began, in the ticks of the session's clock.</param>
internal sealed class GroupedWrite(CqlSession session, CqlRequest request, ReplicaSet replicas, WriteGroup group, long began)
    : PendingRequest(request)
{
    private CqlNode? _node;

    /// <summary>Sends it to a node.</summary>
    /// <returns>Whether there is room for more on the connection.</returns>
    public bool Send(CqlNode node, CqlConnection connection)
    {
        _node = node;
        return connection.Send(this);
    }

    /// <summary>Goes on with it as with any request, and completes when it has ended.</summary>
    /// <param name="failed">How it has failed on the node that it was sent to; null when it was sent to none.</param>
    public async Task GoOnAsync(CqlException? failed)
    {
        CqlResponse answer;
        try
        {
            // A node that has forgotten the statement is told again; any other failure is another node's turn.
            answer = await session.GoOnAsync(Request, replicas, failed is null or CqlUnpreparedException ? null : (_node!, failed));
        }
        catch (Exception error)
        {
            End(error);
            return;
        }

        Answered(answer);
    }

    public override void Answered(CqlResponse answer)
    {
        // Who measures and logs is not ours: whatever becomes of that, the group is told.
        try
        {
            session.Ended(Request, began, answer);
        }
        finally
        {
            group.Ended(null);
        }
    }

    public override void Failed(CqlException error)
    {
        if (error.IsRetryable)
        {
            _ = Task.Run(() => GoOnAsync(error));
        }
        else
        {
            End(error);
        }
    }

    private void End(Exception error)
    {
        try
        {
            session.Ended(Request, began, error);
        }
        finally
        {
            group.Ended(error);
        }
    }
}
