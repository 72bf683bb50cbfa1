using EcomStream.Cql.Protocol;

namespace EcomStream.Cql.Cluster;

/// <summary>
/// A write under way. Thousands are at any time, so it is not a task; it becomes one when its node fails.
/// </summary>
/// <param name="session">The session, which goes on with it where its node fails.</param>
/// <param name="request">The request.</param>
/// <param name="replicas">The nodes that hold its partitions.</param>
/// <param name="ended">Called when it has ended, with the error if there was one.</param>
/// <param name="began">When it began, in the ticks of the session's clock.</param>
internal sealed class GroupedWrite(CqlSession session, CqlRequest request, ReplicaSet replicas, Action<Exception?> ended, long began)
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
        // Whatever happens in metrics and logging, the caller is told.
        try
        {
            session.Ended(Request, began, answer);
        }
        finally
        {
            ended(null);
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
            ended(error);
        }
    }
}
