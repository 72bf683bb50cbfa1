using System.Collections.Concurrent;
using System.Net;
using EcomStream.Cassandra.Protocol;
using Microsoft.Extensions.Logging;

namespace EcomStream.Cassandra.Cluster;

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

    public bool IsUp => _connections.Any(connection => connection is { IsOpen: true });

    /// <summary>Requests under way on it.</summary>
    public int InFlight => _connections.Sum(connection => connection is { IsOpen: true } ? connection.InFlight : 0);

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

    /// <summary>Sends a request on the connection with the least under way, and tells the node of statements it has forgotten.</summary>
    /// <exception cref="CqlException">The node's error, or it is not connected.</exception>
    public async Task<CqlResponse> SendAsync(CqlRequest request, CancellationToken cancellationToken)
    {
        foreach (var statement in request.Prepared)
        {
            if (!(_prepared.TryGetValue(statement.Cql, out var known) && known.IsCompletedSuccessfully))
            {
                await PrepareAsync(statement, cancellationToken);
            }
        }

        // What the node is taken to know now: a PREPARE that another request has sent by the time of the answer is not undone.
        var taken = request.Prepared.Select(statement => _prepared.GetValueOrDefault(statement.Cql)).ToArray();
        try
        {
            return await Connection().SendAsync(request, cancellationToken);
        }
        catch (CqlUnpreparedException)
        {
            foreach (var (statement, forgotten) in request.Prepared.Zip(taken))
            {
                if (forgotten is not null)
                {
                    _prepared.TryRemove(new KeyValuePair<string, Task<PreparedStatement>>(statement.Cql, forgotten));
                }

                await PrepareAsync(statement, cancellationToken);
            }

            return await Connection().SendAsync(request, cancellationToken);
        }
    }

    /// <summary>Prepares a statement here; concurrent callers share one PREPARE.</summary>
    public async Task<PreparedStatement> PrepareAsync(string cql, CancellationToken cancellationToken)
    {
        var preparing = _prepared.GetOrAdd(cql, text => SendPrepareAsync(text));
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

    private async Task PrepareAsync(PreparedStatement statement, CancellationToken cancellationToken)
    {
        var here = await PrepareAsync(statement.Cql, cancellationToken);
        if (!here.Id.AsSpan().SequenceEqual(statement.Id))
        {
            // The versions of the nodes differ, or have changed. This request has the old id in it; the next one has the new.
            statement.Id = here.Id;
            throw new CqlConnectionException($"{Endpoint} knows '{statement.Cql}' by another id than the node that prepared it before; the next request has this one.");
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

    private CqlConnection Connection()
    {
        CqlConnection? best = null;
        foreach (var connection in _connections)
        {
            if (connection is { IsOpen: true } && (best is null || connection.InFlight < best.InFlight))
            {
                best = connection;
            }
        }

        return best ?? throw new CqlConnectionException($"{Endpoint} is not connected.");
    }

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
                    _context.NodeLost();
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

    [LoggerMessage(Level = LogLevel.Information, Message = "Cassandra node {Node} is connected again")]
    private static partial void LogConnected(ILogger logger, IPEndPoint node);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Cassandra node {Node} is lost: {Reason}")]
    private static partial void LogLost(ILogger logger, IPEndPoint node, string reason);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Cassandra node {Node} cannot be connected, and is tried again: {Reason}")]
    private static partial void LogFailed(ILogger logger, IPEndPoint node, string reason, Exception? unexpected);
}
