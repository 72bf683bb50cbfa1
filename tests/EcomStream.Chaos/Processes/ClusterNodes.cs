using System.Diagnostics;
using System.Globalization;
using System.Net.Http.Json;
using System.Text.Json;
using EcomStream.Chaos.Runs;
using EcomStream.TestSupport;

namespace EcomStream.Chaos.Processes;

/// <summary>
/// The hosts of one cluster. The nodes reach each other through a proxy in front of each, which knows by which node a
/// connection was opened, so that the network between them can be divided.
/// </summary>
internal sealed class ClusterNodes : IAsyncDisposable
{
    private const string IsReady = "Joining ";
    private static readonly TimeSpan _startTime = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(100);

    private readonly ChaosOptions _options;
    private readonly IReadOnlyList<string> _arguments;
    private readonly HttpClient _http = new() { Timeout = TimeSpan.FromSeconds(2) };
    private readonly List<ClusterNode> _nodes = [];

    /// <summary>Makes the nodes; none is started.</summary>
    /// <param name="options">How many, and their folder.</param>
    /// <param name="arguments">The command line of each, without its addresses.</param>
    public ClusterNodes(ChaosOptions options, IReadOnlyList<string> arguments)
    {
        (_options, _arguments) = (options, arguments);
        for (var i = 0; i < options.Nodes; i++)
        {
            var port = FreePorts.Next();
            _nodes.Add(new ClusterNode(i, port, FreePorts.Next(), new TcpProxy($"127.0.0.1:{port}", OwnerOf)));
        }
    }

    /// <summary>All nodes, also those that do not run.</summary>
    public IReadOnlyList<ClusterNode> All => _nodes;

    /// <summary>The nodes that run, the oldest first: it also runs the coordinator of the shards.</summary>
    public IReadOnlyList<ClusterNode> Running => [.. _nodes.Where(node => node.Process is { HasExited: false }).OrderBy(node => node.Started)];

    /// <summary>Starts a node and waits until it joins messages.</summary>
    public async Task StartAsync(ClusterNode node, CancellationToken cancellationToken)
    {
        node.Process?.Dispose();
        node.Started = Stopwatch.GetTimestamp();
        node.Process = ChildProcess.StartProgram(
            [
                .. _arguments,
                "--http", $"127.0.0.1:{node.HttpPort}",
                "--set", $"ecomstream.cluster.port={node.Port}",
                "--set", $"ecomstream.cluster.public-port={node.Address.Split(':')[1]}",
                "--set", $"ecomstream.cluster.seed-nodes={string.Join(',', _nodes.Select(other => other.Address))}",
            ],
            IsReady,
            Path.Combine(_options.Directory, $"node{node.Index}.log"));
        await Deployment.ReadyAsync(node.Process, $"Node {node.Index}", cancellationToken);
    }

    /// <summary>Nothing passes between a node and the others.</summary>
    public void Isolate(ClusterNode node)
    {
        foreach (var other in _nodes)
        {
            var isIt = other == node;
            other.Proxy.Block(who => isIt || who == node.Index + 1);
        }
    }

    /// <summary>The network is whole again.</summary>
    public void Rejoin() => _nodes.ForEach(node => node.Proxy.Block(null));

    /// <summary>Waits until every shard runs on a node that runs, and no other node is a member.</summary>
    /// <returns>How long that took.</returns>
    /// <exception cref="ChaosException">It takes too long.</exception>
    public async Task<TimeSpan> AllShardsRunAsync(CancellationToken cancellationToken)
    {
        var clock = Stopwatch.StartNew();
        while (!await AllShardsRunNowAsync(cancellationToken))
        {
            if (clock.Elapsed > _startTime)
            {
                throw new ChaosException($"After {_startTime.TotalSeconds} s not every shard runs on a node that runs.");
            }

            await Task.Delay(_poll, cancellationToken);
        }

        return clock.Elapsed;
    }

    /// <summary>Fails when a node has ended that nobody has told to.</summary>
    public void ThrowIfEnded()
    {
        if (_nodes.Find(node => node is { IsStopped: false, Process.HasExited: true }) is { } ended)
        {
            throw new ChaosException(
                $"Node {ended.Index} has ended by itself with exit code {ended.Process!.ExitCode}. Its last lines:{Environment.NewLine}{ended.Process.LastLines}");
        }
    }

    public async ValueTask DisposeAsync()
    {
        foreach (var node in _nodes)
        {
            node.Process?.Dispose();
            await node.Proxy.DisposeAsync();
        }

        _http.Dispose();
    }

    // Every node must say so: each has its own view of the members.
    private async Task<bool> AllShardsRunNowAsync(CancellationToken cancellationToken)
    {
        var running = Running;
        var addresses = running.Select(node => node.Address).ToHashSet();
        foreach (var node in running)
        {
            try
            {
                var view = await _http.GetFromJsonAsync<JsonElement>($"http://127.0.0.1:{node.HttpPort.ToString(CultureInfo.InvariantCulture)}/api/cluster", cancellationToken);
                var members = view.GetProperty("nodes").EnumerateArray().ToList();
                if (members.Count != running.Count
                    || !members.TrueForAll(member => addresses.Any(address => member.GetProperty("address").GetString()!.EndsWith(address, StringComparison.Ordinal)))
                    || members.Sum(member => member.GetProperty("shards").GetArrayLength()) != view.GetProperty("shards").GetInt32())
                {
                    return false;
                }
            }
            catch (Exception failed) when (failed is HttpRequestException or JsonException or KeyNotFoundException
                || (failed is TaskCanceledException && !cancellationToken.IsCancellationRequested))
            {
                return false;
            }
        }

        return running.Count > 0;
    }

    // One more than the index of the node; 0 for another program.
    private int OwnerOf(int port)
    {
        var running = _nodes.Where(node => node.Process is { HasExited: false }).ToList();
        var owner = SocketOwner.Find(port, running.Select(node => node.Process!.Id));
        return running.Find(node => node.Process!.Id == owner) is { } found ? found.Index + 1 : 0;
    }
}

/// <summary>A node.</summary>
/// <param name="index">Its number, from 0.</param>
/// <param name="port">The port that it listens on for other nodes.</param>
/// <param name="httpPort">The port of its HTTP endpoint.</param>
/// <param name="proxy">What the other nodes connect to.</param>
internal sealed class ClusterNode(int index, int port, int httpPort, TcpProxy proxy)
{
    public int Index => index;

    public int Port => port;

    public int HttpPort => httpPort;

    public TcpProxy Proxy => proxy;

    /// <summary>host:port by which the other nodes know it.</summary>
    public string Address => proxy.Endpoint;

    /// <summary>Its process; null before the first start.</summary>
    public ChildProcess? Process { get; set; }

    /// <summary>When it was last started, a timestamp of <see cref="Stopwatch"/>.</summary>
    public long Started { get; set; }

    /// <summary>Whether it is not meant to run.</summary>
    public bool IsStopped { get; set; }
}
