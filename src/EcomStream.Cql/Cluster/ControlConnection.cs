using System.Net;
using EcomStream.Cql.Protocol;
using Microsoft.Extensions.Logging;

namespace EcomStream.Cql.Cluster;

/// <summary>
/// Knows the cluster: a connection of its own hears of changes and reads the topology again after each; when it is
/// lost, the next node that answers takes its place.
/// </summary>
internal sealed partial class ControlConnection : IAsyncDisposable
{
    // Several events come together, and a node's row is written a moment after its event.
    private static readonly TimeSpan _settle = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _agreement = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan _agreementPoll = TimeSpan.FromMilliseconds(100);

    private readonly ClusterContext _context;
    private readonly CancellationTokenSource _closing = new();
    private readonly SemaphoreSlim _refreshing = new(1, 1);
    private readonly Dictionary<Guid, CqlNode> _nodes = [];
    private CqlConnection? _connection;
    private Task _watching = Task.CompletedTask;
    private TaskCompletionSource _changed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private volatile IReadOnlyList<CqlNode> _all = [];
    private volatile IReadOnlyList<CqlNode> _local = [];
    private volatile TokenMap _tokens = TokenMap.Unknown;

    public ControlConnection(ClusterContext context) => _context = context;

    public IReadOnlyList<CqlNode> Nodes => _all;

    /// <summary>The nodes of the local datacenter: those that coordinate.</summary>
    public IReadOnlyList<CqlNode> LocalNodes => _local;

    public string LocalDatacenter { get; private set; } = "";

    public TokenMap Tokens => _tokens;

    /// <summary>The node that tells of the cluster, where requests can be sent to it; null while there is none.</summary>
    public CqlNode? Node =>
        _connection is { IsOpen: true } connection ? _local.FirstOrDefault(node => node.IsUp && node.Endpoint.Equals(connection.Endpoint)) : null;

    /// <exception cref="CqlNoNodeException">No contact point answers.</exception>
    /// <exception cref="CqlAuthenticationException">One refuses the credentials, or its certificate is refused.</exception>
    /// <exception cref="CqlConfigurationException">The local datacenter does not exist.</exception>
    public async Task StartAsync(CancellationToken cancellationToken)
    {
        await ConnectAsync(cancellationToken);

        // Requests may come at once: every node of the datacenter has had its chance by then.
        await Task.WhenAll(_local.Select(node => node.Tried)).WaitAsync(cancellationToken);
        _watching = Task.Run(WatchAsync, CancellationToken.None);
    }

    /// <summary>Waits until all nodes that are up have the same schema, 10 s at most.</summary>
    public async Task AwaitSchemaAgreementAsync(CancellationToken cancellationToken)
    {
        var began = _context.Time.GetTimestamp();
        while (_context.Time.GetElapsedTime(began) < _agreement)
        {
            if (_connection is { IsOpen: true } connection)
            {
                var nodes = await Topology.ReadAsync(connection, _context.Version, cancellationToken);
                var up = nodes.Where(node => node.Endpoint.Equals(connection.Endpoint) || _all.Any(n => n.HostId == node.HostId && n.IsUp));
                if (up.Select(node => node.SchemaVersion).Distinct().Count() <= 1)
                {
                    break;
                }
            }

            await Task.Delay(_agreementPoll, _context.Time, cancellationToken);
        }

        await RefreshAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        await _watching;
        foreach (var node in _nodes.Values)
        {
            await node.DisposeAsync();
        }

        if (_connection is { } connection)
        {
            await connection.DisposeAsync();
        }

        _closing.Dispose();
        _refreshing.Dispose();
    }

    // The known nodes that are up, in a random order with the local datacenter first, then the contact points. One node's
    // failure, of whatever kind, does not keep the others from being tried.
    private async Task ConnectAsync(CancellationToken cancellationToken)
    {
        var tried = new List<(string, Exception)>();
        foreach (var node in _all.Where(node => node.IsUp).OrderBy(node => node.Datacenter != LocalDatacenter).ThenBy(_ => Random.Shared.Next()))
        {
            if (await TryAsync(node.Endpoint, tried, cancellationToken))
            {
                return;
            }
        }

        foreach (var endpoint in await ResolveAsync(tried, cancellationToken))
        {
            if (await TryAsync(endpoint, tried, cancellationToken))
            {
                return;
            }
        }

        // At the start, a wrong password or setting is reported as that, although another node did not answer at all.
        var mistake = _all.Count == 0 ? tried.Select(t => t.Item2).OfType<CqlException>().FirstOrDefault(error => !error.IsRetryable) : null;
        throw mistake ?? new CqlNoNodeException("Connecting", tried);
    }

    // The addresses of all contact points, whose names are then known before any node is connected: with TLS, a node's
    // certificate is checked against the name it was given by.
    private async Task<List<IPEndPoint>> ResolveAsync(List<(string, Exception)> tried, CancellationToken cancellationToken)
    {
        var endpoints = new List<IPEndPoint>();
        foreach (var contact in _context.Settings.ContactPoints.Select(ContactPoint.Parse))
        {
            try
            {
                foreach (var endpoint in await contact.ResolveAsync(cancellationToken))
                {
                    _context.Name(endpoint, contact.Host);
                    endpoints.Add(endpoint);
                }
            }
            catch (CqlConnectionException unknown)
            {
                tried.Add((contact.Host, unknown));
            }
        }

        return endpoints;
    }

    private async Task<bool> TryAsync(IPEndPoint endpoint, List<(string, Exception)> tried, CancellationToken cancellationToken)
    {
        CqlConnection? connection = null;
        try
        {
            connection = await StartUp.OpenAsync(endpoint, _context.HostOf(endpoint), _context.Version, _context.Settings, _context.Tls, _context.Time, cancellationToken);
            _context.Version = connection.Version;
            connection.OnEvent = OnEvent;
            using var register = new ByteWriter();
            register.StringList([CqlEvent.TopologyChange, CqlEvent.StatusChange, CqlEvent.SchemaChange]);
            await connection.SendAsync(new CqlRequest(Opcode.Register, register.WrittenMemory, "REGISTER"), cancellationToken);
            var old = _connection;
            _connection = connection;
            if (old is not null)
            {
                await old.DisposeAsync();
            }

            await RefreshAsync(cancellationToken);
            return true;
        }
        catch (Exception failed)
        {
            if (connection is not null && connection != _connection)
            {
                await connection.DisposeAsync();
            }

            if (failed is OperationCanceledException)
            {
                throw;
            }

            tried.Add((endpoint.ToString(), failed));
            return false;
        }
    }

    private async Task RefreshAsync(CancellationToken cancellationToken)
    {
        await _refreshing.WaitAsync(cancellationToken);
        try
        {
            if (_connection is not { IsOpen: true } connection)
            {
                return;
            }

            var described = await Topology.ReadAsync(connection, _context.Version, cancellationToken);
            var replication = await Topology.ReplicationAsync(connection, _context.Version, _context.Settings.Keyspace, cancellationToken);
            await NameAsync(described, cancellationToken);
            await ApplyAsync(described);
            _tokens = replication.Count == 0 ? TokenMap.Unknown : TokenMap.Build(_all, replication);
        }
        catch
        {
            // It is still to be read, also if no other event comes.
            Volatile.Read(ref _changed).TrySetResult();
            throw;
        }
        finally
        {
            _refreshing.Release();
        }
    }

    // A contact point's name may have got another address, that of a node which has just joined.
    private async Task NameAsync(IReadOnlyList<NodeDescription> described, CancellationToken cancellationToken)
    {
        if (_context.Tls is not null && described.Any(node => !_context.HasName(node.Endpoint)))
        {
            await ResolveAsync([], cancellationToken);
        }
    }

    private async Task ApplyAsync(IReadOnlyList<NodeDescription> described)
    {
        foreach (var description in described)
        {
            if (_nodes.TryGetValue(description.HostId, out var known) && known.Endpoint.Equals(description.Endpoint))
            {
                known.Describe(description);
                continue;
            }

            if (known is not null)
            {
                // The same node at another address.
                _context.NodeLost(known);
                await known.DisposeAsync();
            }

            _nodes[description.HostId] = new CqlNode(description, _context);
        }

        foreach (var gone in _nodes.Values.Where(node => described.All(d => d.HostId != node.HostId)).ToList())
        {
            _nodes.Remove(gone.HostId);
            _context.NodeLost(gone);
            await gone.DisposeAsync();
        }

        if (LocalDatacenter.Length == 0)
        {
            var wanted = _context.Settings.LocalDatacenter;
            string[] datacenters = [.. described.Select(node => node.Datacenter).Distinct()];
            if (wanted.Length == 0 && datacenters.Length > 1)
            {
                // Whichever node answers first must not decide where everything is written.
                throw new CqlConfigurationException(
                    $"The cluster has the datacenters {string.Join(", ", datacenters)}. Set LocalDatacenter to the one whose nodes are to coordinate.")
                {
                    Setting = nameof(CqlSettings.LocalDatacenter),
                };
            }

            if (wanted.Length > 0 && !datacenters.Contains(wanted))
            {
                throw new CqlConfigurationException(
                    $"No node is in the datacenter '{wanted}'. Set LocalDatacenter to one of {string.Join(", ", datacenters)}.")
                {
                    Setting = nameof(CqlSettings.LocalDatacenter),
                };
            }

            LocalDatacenter = datacenters.Length > 1 ? wanted : datacenters[0];
        }

        var before = _local;
        _all = [.. _nodes.Values];
        _local = [.. _nodes.Values.Where(node => node.Datacenter == LocalDatacenter)];
        foreach (var node in _local.Except(before))
        {
            node.Start();
        }
    }

    private void OnEvent(CqlEvent pushed)
    {
        if (pushed is CqlStatusChange { IsUp: true } up)
        {
            _all.FirstOrDefault(node => node.Endpoint.Equals(up.Node))?.Wake();
        }

        if (pushed is CqlStatusChange { IsUp: false } down && _all.FirstOrDefault(node => node.Endpoint.Equals(down.Node)) is { } lost)
        {
            _context.NodeLost(lost);
        }

        if (pushed is CqlTopologyChange or CqlStatusChange or CqlSchemaChange { Target: "KEYSPACE" })
        {
            Volatile.Read(ref _changed).TrySetResult();
        }
    }

    private async Task WatchAsync()
    {
        var failures = 0;
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                var changed = Volatile.Read(ref _changed).Task;
                if (_connection is { IsOpen: true } connection)
                {
                    await Task.WhenAny(connection.Closed, changed).WaitAsync(_closing.Token);
                }

                if (_connection is not { IsOpen: true })
                {
                    await ConnectAsync(_closing.Token);
                    LogMoved(_context.Logger, _connection!.Endpoint);
                }
                else
                {
                    await Task.Delay(_settle, _context.Time, _closing.Token);
                    Interlocked.Exchange(ref _changed, new(TaskCreationOptions.RunContinuationsAsynchronously));
                    await RefreshAsync(_closing.Token);
                }

                failures = 0;
            }
            catch (OperationCanceledException) when (_closing.IsCancellationRequested)
            {
                return;
            }
            catch (Exception failed)
            {
                // Whatever it is: a loop that ends would never hear of a change again.
                if (failures++ % 20 == 0)
                {
                    LogLost(_context.Logger, failed.Message, failed is CqlException ? null : failed);
                }

                await Task.WhenAny(Task.Delay(_settle, _context.Time, _closing.Token));
            }
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "Subscribed to cluster events on Cassandra node {Node}")]
    private static partial void LogMoved(ILogger logger, IPEndPoint node);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Cannot subscribe to cluster events on any Cassandra node, retrying: {Reason}")]
    private static partial void LogLost(ILogger logger, string reason, Exception? unexpected);
}
