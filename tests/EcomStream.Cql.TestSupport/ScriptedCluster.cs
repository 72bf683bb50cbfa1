using System.Collections.Concurrent;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using EcomStream.Cql.Cluster;
using EcomStream.Cql.Protocol;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.Cql.TestSupport;

/// <summary>A request that a scripted cluster got.</summary>
internal sealed record ScriptedRequest(int Node, Opcode Opcode, byte[] Body)
{
    /// <summary>The text of a QUERY or PREPARE.</summary>
    public string Cql => Opcode is Opcode.Query or Opcode.Prepare ? Encoding.UTF8.GetString(Body.AsSpan(sizeof(int), new ByteReader(Body).Int())) : "";
}

/// <summary>
/// Scripted nodes that describe themselves as one cluster: for what a real one cannot be made to do when a test needs it.
/// Node i owns the i-th of equal parts of the ring, beginning with the smallest tokens.
/// </summary>
internal sealed class ScriptedCluster : IAsyncDisposable
{
    private static readonly CqlType _text = new(CqlTypeCode.Text, []);
    private static readonly CqlType _uuid = new(CqlTypeCode.Uuid, []);
    private static readonly CqlType _inet = new(CqlTypeCode.Inet, []);
    private static readonly CqlType _int = new(CqlTypeCode.Int, []);
    private static readonly CqlType[] _node = [_uuid, _text, _text, new(CqlTypeCode.Set, [_text]), _uuid];

    private readonly (Guid HostId, string Datacenter, string Rack)[] _places;
    private readonly ConcurrentQueue<ScriptedRequest> _requests = new();

    /// <param name="places">Datacenter and rack of each node, as "dc1/r1".</param>
    public ScriptedCluster(params string[] places)
        : this(null, places)
    {
    }

    /// <param name="certificate">The certificate of all nodes, for TLS; null for no TLS.</param>
    /// <param name="places">Datacenter and rack of each node, as "dc1/r1".</param>
    public ScriptedCluster(X509Certificate2? certificate, params string[] places)
    {
        _places = [.. places.Select(place => (Guid.NewGuid(), place.Split('/')[0], place.Split('/')[1]))];
        Nodes = [.. Enumerable.Range(0, places.Length).Select(i => new ScriptedNode((opcode, body) => Answer(new ScriptedRequest(i, opcode, body)), certificate))];
    }

    public IReadOnlyList<ScriptedNode> Nodes { get; }

    /// <summary>The keyspace's replication.</summary>
    public Dictionary<object, object?> Replication { get; set; } = new() { ["class"] = "org.apache.cassandra.locator.SimpleStrategy", ["replication_factor"] = "1" };

    /// <summary>Nodes that are no longer part of the cluster.</summary>
    public HashSet<int> Removed { get; } = [];

    /// <summary>Nodes that the others know by another address.</summary>
    public Dictionary<int, IPEndPoint> Moved { get; } = [];

    /// <summary>Answers in place of the cluster; null to leave it to the cluster.</summary>
    public Func<ScriptedRequest, (Opcode, Action<ByteWriter>)?> Script { get; set; } = _ => null;

    /// <summary>What a script returns where the node is to be silent.</summary>
    public static (Opcode, Action<ByteWriter>) NoAnswer { get; } = (Opcode.Event, _ => { });

    /// <summary>All requests so far.</summary>
    public IReadOnlyCollection<ScriptedRequest> Requests => _requests;

    /// <summary>How many of them were PREPAREs.</summary>
    public int Prepares => _requests.Count(request => request.Opcode == Opcode.Prepare);

    public static Action<ByteWriter> Void { get; } = body => body.Int((int)ResultKind.Void);

    public CqlSettings Settings => new()
    {
        ContactPoints = [Nodes[0].Endpoint.ToString()],
        Keyspace = "shop",
        RequestTimeout = TimeSpan.FromSeconds(30),
        ConnectTimeout = TimeSpan.FromSeconds(30),
        HeartbeatInterval = TimeSpan.FromMinutes(5),
        SpeculativeReadDelay = TimeSpan.Zero,

        // On a busy machine a scripted node may be silent for half a second, and writes would go to another one as well.
        SilentNodeDelay = TimeSpan.Zero,
    };

    public Task<CqlSession> ConnectAsync(CqlSettings? settings = null, ILogger? log = null, TimeProvider? time = null) =>
        CqlSession.ConnectAsync(settings ?? Settings, log ?? NullLogger.Instance, time ?? TimeProvider.System, CancellationToken.None);

    /// <summary>A token of a node's part of the ring.</summary>
    public long TokenOf(int node) => Upper(node) - 1;

    /// <summary>A node hears that the keyspace has changed, and tells those that have registered.</summary>
    public Task KeyspaceChangedAsync() => Nodes[0].PushAsync(body =>
    {
        body.String(CqlEvent.SchemaChange);
        body.String("UPDATED");
        body.String("KEYSPACE");
        body.String("shop");
    });

    /// <summary>A node hears that another one has joined, left or moved.</summary>
    public Task TopologyChangedAsync(int node) => Nodes[0].PushAsync(body =>
    {
        body.String(CqlEvent.TopologyChange);
        body.String("REMOVED_NODE");
        Inet(body, Nodes[node].Endpoint);
    });

    /// <summary>A node hears that another one is down.</summary>
    public Task NodeDownAsync(int node) => Nodes[0].PushAsync(body =>
    {
        body.String(CqlEvent.StatusChange);
        body.String("DOWN");
        Inet(body, Nodes[node].Endpoint);
    });

    /// <summary>The body of an ERROR.</summary>
    public static (Opcode, Action<ByteWriter>) Error(CqlErrorCode code, string text, Action<ByteWriter>? more = null) => (Opcode.Error, body =>
    {
        body.Int((int)code);
        body.String(text);
        more?.Invoke(body);
    });

    /// <summary>The ERROR of a node that does not know a statement.</summary>
    public static (Opcode, Action<ByteWriter>) Unprepared(PreparedStatement statement) =>
        Error(CqlErrorCode.Unprepared, "unknown", body => body.ShortBytes(statement.Id));

    /// <summary>The answer to a PREPARE; all parameters are ints, and there are no result columns.</summary>
    public static (Opcode, Action<ByteWriter>) Prepared(byte[] id, int parameters) => (Opcode.Result, body =>
    {
        body.Int((int)ResultKind.Prepared);
        body.ShortBytes(id);
        body.Int((int)RowsFlags.GlobalTableSpec);
        body.Int(parameters);
        body.Int(0);
        Spec(body);
        for (var i = 0; i < parameters; i++)
        {
            body.String($"p{i}");
            body.Short((int)CqlTypeCode.Int);
        }

        body.Int((int)RowsFlags.NoMetadata);
        body.Int(0);
    });

    /// <summary>The body of a Rows result.</summary>
    public static Action<ByteWriter> Rows(CqlType[] types, IEnumerable<object?[]> rows) => body =>
    {
        object?[][] all = [.. rows];
        body.Int((int)ResultKind.Rows);
        body.Int((int)RowsFlags.GlobalTableSpec);
        body.Int(types.Length);
        Spec(body);
        for (var i = 0; i < types.Length; i++)
        {
            body.String($"c{i}");
            Write(body, types[i]);
        }

        body.Int(all.Length);
        foreach (var row in all)
        {
            for (var i = 0; i < types.Length; i++)
            {
                CqlValue.Write(body, types[i], row[i]);
            }
        }
    };

    public async ValueTask DisposeAsync()
    {
        foreach (var node in Nodes)
        {
            await node.DisposeAsync();
        }
    }

    private (Opcode, Action<ByteWriter>)? Answer(ScriptedRequest request)
    {
        _requests.Enqueue(request);
        if (Script(request) is { } scripted)
        {
            return scripted == NoAnswer ? null : scripted;
        }

        return request.Opcode switch
        {
            Opcode.Options => (Opcode.Supported, body => body.Short(0)),
            Opcode.Startup or Opcode.Register => (Opcode.Ready, _ => { }),
            Opcode.Prepare => Prepared(Encoding.UTF8.GetBytes(request.Cql), request.Cql.Count(c => c == '?')),
            Opcode.Query when request.Cql.Contains("FROM system.local", StringComparison.Ordinal) => (Opcode.Result, Rows([.. _node], [Describe(request.Node)])),
            Opcode.Query when request.Cql.Contains("FROM system.peers_v2", StringComparison.Ordinal) => (Opcode.Result, Rows(
                [.. _node, _inet, _int],
                Enumerable.Range(0, Nodes.Count).Where(i => i != request.Node && !Removed.Contains(i)).Select(i => (object?[])[.. Describe(i), AddressOf(i).Address, AddressOf(i).Port]))),
            Opcode.Query when request.Cql.Contains("FROM system_schema.keyspaces", StringComparison.Ordinal) => (Opcode.Result, Rows(
                [new CqlType(CqlTypeCode.Map, [_text, _text])], [[Replication]])),
            _ => (Opcode.Result, Void),
        };
    }

    private IPEndPoint AddressOf(int node) => Moved.GetValueOrDefault(node) ?? Nodes[node].Endpoint;

    private static void Inet(ByteWriter body, IPEndPoint node)
    {
        body.Byte(4);
        body.Raw(node.Address.GetAddressBytes());
        body.Int(node.Port);
    }

    private object?[] Describe(int node) =>
        [_places[node].HostId, _places[node].Datacenter, _places[node].Rack, new List<object?> { $"{Upper(node)}" }, Guid.Empty];

    // The largest token of a node's part.
    private long Upper(int node) => (long)(((Int128)ulong.MaxValue * (node + 1) / _places.Length) + long.MinValue);

    private static void Spec(ByteWriter body)
    {
        body.String("shop");
        body.String("t");
    }

    private static void Write(ByteWriter body, CqlType type)
    {
        body.Short((int)type.Code);
        foreach (var element in type.Of)
        {
            Write(body, element);
        }
    }
}
