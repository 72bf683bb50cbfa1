using System.Collections.Concurrent;
using System.Net;
using EcomStream.Cql.Protocol;
using Microsoft.Extensions.Logging;

namespace EcomStream.Cql.Cluster;

/// <summary>What a node is, as system.local and system.peers_v2 describe it.</summary>
internal sealed record NodeDescription(
    Guid HostId, IPEndPoint Endpoint, string Datacenter, string Rack, IReadOnlyList<long> Tokens, Guid? SchemaVersion);

/// <summary>
/// One node and the connections to it. It is up while one of them is open; each is made again, with backoff, when it
/// is lost.
/// </summary>
internal sealed partial class CqlNode : IAsyncDisposable
{
    private readonly ClusterContext _context;
    private readonly CqlConnection?[] _connections;
    private readonly ConcurrentDictionary<string, Task<PreparedStatement>> _prepared = new();
    private readonly Lock _preparing = new();
    private readonly CancellationTokenSource _closing = new();
    private readonly List<Task> _maintained = [];
    private readonly TaskCompletionSource _tried = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private TaskCompletionSource _woken = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private NodeDescription _description;

    public CqlNode(NodeDescription description, ClusterContext context)
    {
        (_description, _context) = (description, context);
        _connections = new CqlConnection?[context.Settings.ConnectionsPerNode];
    }

    public Guid HostId => _description.HostId;

    public IPEndPoint Endpoint => _description.Endpoint;

    public string Datacenter => _description.Datacenter;

    public string Rack => _description.Rack;

    public IReadOnlyList<long> Tokens => _description.Tokens;

    public bool IsUp => Open is not null;

    /// <summary>Whether it is connected, and silent on all connections although requests are under way.</summary>
    public bool IsSilent => Open is { IsSilent: true };

    /// <summary>Requests under way on it.</summary>
    public int InFlight
    {
        get
        {
            var inFlight = 0;
            foreach (var connection in _connections)
            {
                inFlight += connection is { IsOpen: true } ? connection.InFlight : 0;
            }

            return inFlight;
        }
    }

    // Of the open connections the one with the least under way.
    private CqlConnection? Open
    {
        get
        {
            CqlConnection? best = null;
            foreach (var connection in _connections)
            {
                if (connection is { IsOpen: true } && (best is null
                    || (best.IsSilent && !connection.IsSilent)
                    || (best.IsSilent == connection.IsSilent && connection.InFlight < best.InFlight)))
                {
                    best = connection;
                }
            }

            return best;
        }
    }

    /// <summary>Completes when the first connection was made or has failed.</summary>
    public Task Tried => _tried.Task;

    /// <summary>What is known of it has changed; its address has not.</summary>
    public void Describe(NodeDescription description) => _description = description;

    public void Start()
    {
        for (var i = 0; i < _connections.Length; i++)
        {
            var slot = i;
            _maintained.Add(Task.Run(() => MaintainAsync(slot)));
        }
    }

    /// <summary>Tries to connect now, whatever the backoff says: the cluster says that the node is up.</summary>
    public void Wake() => Interlocked.Exchange(ref _woken, new(TaskCreationOptions.RunContinuationsAsynchronously)).TrySetResult();

    /// <summary>A connection on which a request can be sent at once; null when the node must be told of its statements first.</summary>
    public CqlConnection? ConnectionFor(CqlRequest request)
    {
        foreach (var statement in request.Prepared)
        {
            if (Known(statement.Cql) is null)
            {
                return null;
            }
        }

        return Open;
    }

    /// <summary>Sends a request on the connection with the least under way, and tells the node of statements it has forgotten.</summary>
    /// <exception cref="CqlException">The node's error, or it is not connected.</exception>
    /// <param name="request">The request.</param>
    /// <param name="deadline">When to give up, in the ticks of the clock; 0 for the request timeout from now.</param>
    /// <param name="cancellationToken">Stops waiting for the answer.</param>
    public async Task<CqlResponse> SendAsync(CqlRequest request, long deadline, CancellationToken cancellationToken)
    {
        // What the node is taken to know: a PREPARE that another request has sent by the time of the answer is not undone.
        var taken = new PreparedStatement[request.Prepared.Length];
        for (var i = 0; i < taken.Length; i++)
        {
            taken[i] = await KnownAsync(request.Prepared[i], deadline, cancellationToken);
        }

        try
        {
            return await Connection().SendAsync(request, cancellationToken, deadline);
        }
        catch (CqlUnpreparedException)
        {
            for (var i = 0; i < taken.Length; i++)
            {
                await ForgetAsync(taken[i]);
                await KnownAsync(request.Prepared[i], deadline, cancellationToken);
            }

            return await Connection().SendAsync(request, cancellationToken, deadline);
        }
    }

    /// <summary>Prepares a statement here; concurrent callers share one PREPARE.</summary>
    public async Task<PreparedStatement> PrepareAsync(string cql, CancellationToken cancellationToken)
    {
        Task<PreparedStatement>? preparing;

        // GetOrAdd would send it twice where two callers find nothing at once.
        lock (_preparing)
        {
            if (!_prepared.TryGetValue(cql, out preparing))
            {
                _prepared[cql] = preparing = SendPrepareAsync(cql);
            }
        }

        try
        {
            return await preparing.WaitAsync(cancellationToken);
        }
        catch (CqlException)
        {
            _prepared.TryRemove(new KeyValuePair<string, Task<PreparedStatement>>(cql, preparing));
            throw;
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await Task.WhenAll(_maintained);
        _closing.Dispose();
    }

    // The statement as the node knows it; it is told of it where it does not.
    private async ValueTask<PreparedStatement> KnownAsync(PreparedStatement statement, long deadline, CancellationToken cancellationToken)
    {
        if (Known(statement.Cql) is { } known)
        {
            return await known;
        }

        var here = await InTimeAsync(PrepareAsync(statement.Cql, cancellationToken), statement.Cql, deadline);
        if (!here.Id.AsSpan().SequenceEqual(statement.Id))
        {
            // The versions of the nodes differ, or have changed. This request has the old id in it; the next one has the new.
            statement.Id = here.Id;
            throw new CqlConnectionException($"{Endpoint} knows '{statement.Cql}' by another id than the node that prepared it before; the next request has this one.");
        }

        return here;
    }

    private async Task<PreparedStatement> InTimeAsync(Task<PreparedStatement> preparing, string cql, long deadline)
    {
        if (deadline == 0)
        {
            return await preparing;
        }

        var left = _context.Time.GetElapsedTime(_context.Time.GetTimestamp(), deadline);
        try
        {
            return await preparing.WaitAsync(left > TimeSpan.Zero ? left : TimeSpan.Zero, _context.Time);
        }
        catch (TimeoutException)
        {
            throw new CqlTimeoutException($"{Endpoint} did not answer PREPARE {cql} in time.");
        }
    }

    private async ValueTask ForgetAsync(PreparedStatement here)
    {
        if (Known(here.Cql) is { } known && ReferenceEquals(await known, here))
        {
            _prepared.TryRemove(new KeyValuePair<string, Task<PreparedStatement>>(here.Cql, known));
        }
    }

    private async Task<PreparedStatement> SendPrepareAsync(string cql)
    {
        using var body = new ByteWriter();
        body.LongString(cql);
        if (_context.Version >= 5)
        {
            body.Int(0);
        }

        var answer = await Connection().SendAsync(new CqlRequest(Opcode.Prepare, body.WrittenMemory, $"PREPARE {cql}"), CancellationToken.None);
        return PreparedStatement.Read(cql, answer.Body, _context.Version);
    }

    // The PREPARE of a statement that the node is taken to know.
    private Task<PreparedStatement>? Known(string cql) =>
        _prepared.TryGetValue(cql, out var prepared) && prepared.IsCompletedSuccessfully ? prepared : null;

    private CqlConnection Connection() => Open ?? throw new CqlConnectionException($"{Endpoint} is not connected.");

    private async Task MaintainAsync(int slot)
    {
        var failures = 0;
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                var connection = await StartUp.OpenAsync(
                    Endpoint, _context.HostOf(Endpoint), _context.Version, _context.Settings, _context.Tls, _context.Time, _closing.Token);
                await using (connection)
                {
                    _connections[slot] = connection;
                    _tried.TrySetResult();
                    if (failures > 0)
                    {
                        LogConnected(_context.Logger, Endpoint);
                    }

                    failures = 0;
                    var reason = await connection.Closed.WaitAsync(_closing.Token);
                    _context.NodeLost(this);
                    LogLost(_context.Logger, Endpoint, reason.Message);
                }
            }
            catch (OperationCanceledException) when (_closing.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failed)
            {
                // Whatever it is: a loop that ends would leave the node without a connection for ever.
                _tried.TrySetResult();
                if (failures == 0)
                {
                    LogFailed(_context.Logger, Endpoint, failed.Message, failed is CqlException ? null : failed);
                }
            }

            if (!IsUp)
            {
                // It may be another process by now, which knows nothing of our statements.
                _prepared.Clear();
            }

            failures++;
            await BackOffAsync(failures);
        }
    }

    private async Task BackOffAsync(int failures)
    {
        var (min, max) = (_context.Settings.ReconnectMinBackoff, _context.Settings.ReconnectMaxBackoff);
        var delay = TimeSpan.FromMilliseconds(Math.Min(max.TotalMilliseconds, min.TotalMilliseconds * Math.Pow(2, Math.Min(failures - 1, 20))));

        // Half of it at random, so that a thousand clients do not come back at once.
        delay *= 0.5 + (Random.Shared.NextDouble() / 2);
        await Task.WhenAny(Task.Delay(delay, _context.Time, _closing.Token), Volatile.Read(ref _woken).Task);
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Reconnected to Cassandra node {Node}")]
    private static partial void LogConnected(ILogger logger, IPEndPoint node);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Lost the connection to Cassandra node {Node}: {Reason}")]
    private static partial void LogLost(ILogger logger, IPEndPoint node, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Cannot connect to Cassandra node {Node}, retrying: {Reason}")]
    private static partial void LogFailed(ILogger logger, IPEndPoint node, string reason, Exception? unexpected);
}
