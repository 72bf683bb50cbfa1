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

    /// <summary>Sends it as any request is sent, and completes when it has ended.</summary>
    /// <param name="failed">How it has failed on the node that it was sent to; null when it was not sent.</param>
    public async Task SendAsync(CqlException? failed)
    {
        try
        {
            // A node that has forgotten the statement is told again; any other failure is another node's turn.
            Answered(await session.GoOnAsync(Request, replicas, failed is null or CqlUnpreparedException ? null : (_node!, failed)));
        }
        catch (Exception error)
        {
            End(error);
        }
    }

    public override void Answered(CqlResponse answer)
    {
        session.Ended(Request, began, answer);
        group.Ended(null);
    }

    public override void Failed(CqlException error)
    {
        if (error.IsRetryable || error is CqlUnpreparedException)
        {
            _ = Task.Run(() => SendAsync(error));
        }
        else
        {
            End(error);
        }
    }

    // Without an answer.
    private void End(Exception error)
    {
        session.Ended(Request, began, error);
        group.Ended(error);
    }
}
