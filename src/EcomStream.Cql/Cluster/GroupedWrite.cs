using EcomStream.Cql.Protocol;

namespace EcomStream.Cql.Cluster;

/// <summary>
/// A write under way. Thousands are at any time, so it is not a task; it becomes one when its node fails, or when the
/// node is silent while others are not. It then goes on with the other nodes, and the first answer ends it.
/// </summary>
internal sealed class GroupedWrite : PendingRequest
{
    private readonly CqlSession _session;
    private readonly ReplicaSet _replicas;
    private readonly Action<Exception?> _ended;
    private readonly long _began;
    private CqlNode? _node;
    private Exception? _failure;
    private int _underWay = 1;
    private int _hasGoneOn;
    private int _hasEnded;

    /// <param name="session">The session, which goes on with it.</param>
    /// <param name="request">The request.</param>
    /// <param name="replicas">The nodes that hold its partitions.</param>
    /// <param name="ended">Called when it has ended, with the error if there was one.</param>
    /// <param name="began">When it began, in the ticks of the session's clock.</param>
    /// <param name="deadline">When it is given up, in the ticks of the session's clock.</param>
    public GroupedWrite(CqlSession session, CqlRequest request, ReplicaSet replicas, Action<Exception?> ended, long began, long deadline)
        : base(request)
    {
        (_session, _replicas, _ended, _began) = (session, replicas, ended, began);
        Deadline = deadline;
    }

    /// <summary>Sends it to a node.</summary>
    /// <returns>Whether there is room for more on the connection.</returns>
    public bool Send(CqlNode node, CqlConnection connection)
    {
        _node = node;
        return connection.Send(this);
    }

    /// <summary>Sends it to any node, as with any request.</summary>
    public void GoOn()
    {
        _hasGoneOn = 1;
        _ = Task.Run(() => GoOnAsync(null));
    }

    public override void Answered(CqlResponse answer)
    {
        if (Interlocked.Exchange(ref _hasEnded, 1) != 0)
        {
            return;
        }

        // Whatever happens in metrics and logging, the caller is told.
        try
        {
            _session.Ended(Request, _began, answer);
        }
        finally
        {
            _ended(null);
        }
    }

    public override void Failed(CqlException error)
    {
        if (error.IsRetryable && Interlocked.Exchange(ref _hasGoneOn, 1) == 0)
        {
            // A node that has forgotten the statement is told again; any other failure is another node's turn.
            _ = Task.Run(() => GoOnAsync(error is CqlUnpreparedException ? null : error));
        }
        else
        {
            AttemptFailed(error);
        }
    }

    public override void NodeIsSilent()
    {
        if (_session.HasOtherThan(_node!) && Interlocked.Exchange(ref _hasGoneOn, 1) == 0)
        {
            Interlocked.Increment(ref _underWay);
            var silent = new CqlTimeoutException($"{_node!.Endpoint} is silent.");
            _ = Task.Run(() => GoOnAsync(silent));
        }
    }

    private async Task GoOnAsync(CqlException? failed)
    {
        CqlResponse answer;
        try
        {
            answer = await _session.GoOnAsync(Request, _replicas, failed is null ? null : (_node!, failed), Deadline);
        }
        catch (Exception error)
        {
            AttemptFailed(error);
            return;
        }

        Answered(answer);
    }

    // The last attempt to fail ends it, with the error that says most.
    private void AttemptFailed(Exception error)
    {
        var first = Interlocked.CompareExchange(ref _failure, error, null);
        if (Interlocked.Decrement(ref _underWay) > 0 || Interlocked.Exchange(ref _hasEnded, 1) != 0)
        {
            return;
        }

        var failure = first is CqlException { IsRetryable: false } ? first : error;
        try
        {
            _session.Ended(Request, _began, failure);
        }
        finally
        {
            _ended(failure);
        }
    }
}
