using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using EcomStream.Cql.Protocol;
using Microsoft.Extensions.Logging;

namespace EcomStream.Cql.Cluster;

/// <summary>
/// Sends requests to a cluster: to the connected nodes of the local datacenter in turn, or to the replicas of a partition
/// where the caller knows them. A request that fails with a retryable error is sent to the next node. Statements must be
/// idempotent.
/// </summary>
/// <example>
/// <code>
/// await using var session = await CqlSession.ConnectAsync(
///     new CqlSettings { ContactPoints = ["127.0.0.1"], Keyspace = "shop" }, NullLogger.Instance, TimeProvider.System, stop);
/// await foreach (var page in session.ExecuteAllAsync("SELECT name FROM shop.items WHERE id = ?", [7L], pageSize: 100, stop))
/// {
///     while (page.Next())
///     {
///         Console.WriteLine(page.Text(0));
///     }
/// }
/// </code>
/// </example>
public sealed partial class CqlSession : IAsyncDisposable
{
    private const int ValuesFlag = 0x01;
    private const int SkipMetadataFlag = 0x02;
    // With fewer replicas, another coordinator still gets its turn when the replica's own connection fails.
    private const int MinAttempts = 3;
    private static readonly TimeSpan _warnEvery = TimeSpan.FromMinutes(1);

    private readonly ClusterContext _context;
    private readonly ControlConnection _control;
    private readonly ConcurrentDictionary<string, PreparedStatement> _statements = new();
    private int _turn;
    private long _warned;

    private CqlSession(ClusterContext context, ControlConnection control) => (_context, _control) = (context, control);

    internal byte Version => _context.Version;

    internal IReadOnlyCollection<CqlNode> Nodes => _control.Nodes;

    /// <summary>Calls back when a node may have lost what it confirmed lately: disconnected, down, removed or re-addressed.</summary>
    internal void OnNodeLost(Action<CqlNode> lost) => _context.NodeLost += lost;

    /// <summary>The datacenter whose nodes coordinate.</summary>
    public string LocalDatacenter => _control.LocalDatacenter;

    /// <summary>Connects to the first contact point that answers, learns the cluster from it, and connects to its nodes.</summary>
    /// <param name="settings">The cluster and how it is used.</param>
    /// <param name="logger">Logs lost connections and warnings of the server.</param>
    /// <param name="time">The clock of time-outs, delays and heartbeats.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="CqlAuthenticationException">The credentials or certificates are wrong.</exception>
    /// <exception cref="CqlNoNodeException">No contact point answers.</exception>
    /// <exception cref="CqlConfigurationException">The local datacenter does not exist or is ambiguous, or the server lacks LZ4.</exception>
    public static async Task<CqlSession> ConnectAsync(
        CqlSettings settings, ILogger logger, TimeProvider time, CancellationToken cancellationToken)
    {
        var context = new ClusterContext(settings, settings.Tls is { } tls ? new TlsHandshake(tls) : null, logger, time);
        var control = new ControlConnection(context);
        try
        {
            await control.StartAsync(cancellationToken);
            return new CqlSession(context, control);
        }
        catch
        {
            await control.DisposeAsync();
            context.Tls?.Dispose();
            throw;
        }
    }

    /// <summary>The nodes that hold a token of the settings' keyspace.</summary>
    internal ReplicaSet ReplicasOf(long token) => _control.Tokens.ReplicasOf(token);

    /// <summary>Prepares a statement, once.</summary>
    internal async ValueTask<PreparedStatement> PrepareAsync(string cql, CancellationToken cancellationToken)
    {
        if (_statements.TryGetValue(cql, out var known))
        {
            return known;
        }

        var prepared = await OnSomeNode($"PREPARE {cql}", Plan(null), node => node.PrepareAsync(cql, cancellationToken), Deadline(), cancellationToken);
        return _statements.GetOrAdd(cql, prepared);
    }

    /// <summary>
    /// Runs CQL without values, on the node of the control connection where possible. A schema change or truncation goes to that one
    /// node, with <see cref="CqlSettings.SchemaTimeout"/>, and returns when the nodes agree on the schema: sent to a
    /// second node while the first still executes it, it would race with itself.
    /// </summary>
    /// <param name="cql">The statement.</param>
    /// <param name="cancellationToken">Cancels the call; the server may execute the statement all the same.</param>
    /// <param name="pageSize">Rows per page; 0 for all rows.</param>
    /// <param name="pagingState"><see cref="RowSet.PagingState"/> of the previous page; null for the first one.</param>
    /// <returns>A page of rows; empty for a statement that returns none.</returns>
    /// <exception cref="CqlException">A non-retryable error, or the errors of all nodes that were tried.</exception>
    public async Task<RowSet> QueryAsync(string cql, CancellationToken cancellationToken, int pageSize = 0, byte[]? pagingState = null)
    {
        if (IsSchemaChange(cql))
        {
            return await ChangeSchemaAsync(cql, cancellationToken);
        }

        var request = QueryRequest.Of(cql, Version, _context.Settings.Consistency, pageSize, pagingState);
        var first = _control.Node is { } node ? new ReplicaSet([node]) : null;
        return RowSet.Read(await SendAsync(request, first, speculative: false, cancellationToken));
    }

    /// <summary>Waits until the nodes agree on the schema, 10 s at most.</summary>
    public Task AwaitSchemaAgreementAsync(CancellationToken cancellationToken) => _control.AwaitSchemaAgreementAsync(cancellationToken);

    /// <summary>Runs a prepared read on a replica, and on a second one when the first is slow.</summary>
    /// <param name="statement">The statement.</param>
    /// <param name="name">What it does, for errors.</param>
    /// <param name="replicas">The nodes that hold its partitions.</param>
    /// <param name="values">Writes the values of all its parameters, in order.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <param name="pageSize">Rows per page; 0 for all.</param>
    /// <param name="pagingState">What the page before returned.</param>
    /// <exception cref="CqlException">As of <see cref="SendAsync"/>.</exception>
    internal async Task<RowSet> ReadAsync(
        PreparedStatement statement,
        string name,
        ReplicaSet replicas,
        Action<ByteWriter> values,
        CancellationToken cancellationToken,
        int pageSize = 0,
        byte[]? pagingState = null) =>
        RowSet.Read(
            await SendAsync(Execute(statement, name, values, pageSize, pagingState), replicas, speculative: true, cancellationToken), statement);

    /// <summary>Prepares a statement, once, runs it with values as objects, and returns all pages.</summary>
    /// <param name="cql">The statement, with a question mark for each value.</param>
    /// <param name="values">The values, of the .NET types that <see cref="CqlTypeCode"/> names.</param>
    /// <param name="pageSize">Rows per page; 0 for all rows.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <exception cref="ArgumentException">The statement changes the schema, or has another number of parameters.</exception>
    /// <exception cref="InvalidCastException">A value is not of the type of its parameter.</exception>
    /// <exception cref="CqlException">A non-retryable error, or the errors of all nodes that were tried.</exception>
    public async IAsyncEnumerable<RowSet> ExecuteAllAsync(
        string cql, object?[] values, int pageSize, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (IsSchemaChange(cql))
        {
            throw new ArgumentException($"A schema change must be sent with {nameof(QueryAsync)}, which sends it to one node only.", nameof(cql));
        }

        var statement = await PrepareAsync(cql, cancellationToken);
        if (values.Length != statement.Parameters.Count)
        {
            throw new ArgumentException($"The statement has {statement.Parameters.Count} parameters, and {values.Length} values were given.", nameof(values));
        }

        byte[]? next = null;
        do
        {
            var request = Execute(
                statement,
                cql,
                writer =>
                {
                    for (var i = 0; i < statement.Parameters.Count; i++)
                    {
                        CqlValue.Write(writer, statement.Parameters[i].Type, values[i]);
                    }
                },
                pageSize,
                next);
            var page = RowSet.Read(await SendAsync(request, null, speculative: false, cancellationToken), statement);
            next = page.PagingState;
            yield return page;
        }
        while (next is not null);
    }

    /// <summary>Sends a request to a replica, and on to the next node while the errors are such that another may do better.</summary>
    /// <param name="request">The request.</param>
    /// <param name="replicas">The nodes that hold its partition; null when it does not matter.</param>
    /// <param name="speculative">Whether a second node is asked when the first one is slow: for reads.</param>
    /// <param name="cancellationToken">Gives it up; it may be carried out all the same.</param>
    /// <exception cref="CqlException">A non-retryable error, or the errors of all nodes that were tried.</exception>
    internal async Task<CqlResponse> SendAsync(CqlRequest request, ReplicaSet? replicas, bool speculative, CancellationToken cancellationToken)
    {
        var began = Began(request);
        var deadline = Deadline();
        try
        {
            var answer = speculative && _context.Settings.SpeculativeReadDelay > TimeSpan.Zero
                ? await Speculate(request, replicas, deadline, cancellationToken)
                : await OnSomeNode(request.Name, Plan(replicas), node => node.SendAsync(request, deadline, cancellationToken), deadline, cancellationToken);
            Ended(request, began, answer);
            return answer;
        }
        catch (Exception failed)
        {
            Ended(request, began, failed);
            throw;
        }
    }

    /// <summary>
    /// Begins a write, and completes when there is room for another one; where its node fails, it goes on to the next one, as
    /// with <see cref="SendAsync"/>. <paramref name="ended"/> is called once, with the error if there was one.
    /// </summary>
    internal ValueTask BeginAsync(CqlRequest request, ReplicaSet replicas, Action<Exception?> ended, CancellationToken cancellationToken)
    {
        var write = new GroupedWrite(this, request, replicas, ended, Began(request), Deadline());
        if (First(replicas) is { } node && node.ConnectionFor(request) is { } connection)
        {
            return write.Send(node, connection) ? ValueTask.CompletedTask : new ValueTask(connection.RoomAsync(cancellationToken));
        }

        // No node is up, or the node must be told of its statements: the rows of the call share that, or fail at once.
        write.GoOn();
        return ValueTask.CompletedTask;
    }

    /// <summary>Goes on with a request that has failed on a node, or was sent to none yet.</summary>
    internal Task<CqlResponse> GoOnAsync(CqlRequest request, ReplicaSet replicas, (CqlNode Node, CqlException Error)? failed, long deadline) =>
        OnSomeNode(
            request.Name,
            Plan(replicas).Where(node => node != failed?.Node),
            node => node.SendAsync(request, deadline, CancellationToken.None),
            deadline,
            CancellationToken.None,
            failed is { } first ? [(first.Node.Endpoint.ToString(), first.Error)] : null);

    /// <summary>Whether another local node is connected and not silent.</summary>
    internal bool HasOtherThan(CqlNode node)
    {
        foreach (var other in _control.LocalNodes)
        {
            if (other != node && other is { IsUp: true, IsSilent: false })
            {
                return true;
            }
        }

        return false;
    }

    /// <summary>A request has ended with an answer.</summary>
    internal void Ended(CqlRequest request, long began, CqlResponse answer)
    {
        CqlMetrics.Ended(OperationOf(request.Opcode), _context.Time.GetElapsedTime(began), null);
        if (answer.Warnings.Count > 0)
        {
            Warn(answer.Warnings);
        }
    }

    /// <summary>A request has failed.</summary>
    internal void Ended(CqlRequest request, long began, Exception failure) =>
        CqlMetrics.Ended(OperationOf(request.Opcode), _context.Time.GetElapsedTime(began), failure);

    /// <summary>Closes its connections.</summary>
    public async ValueTask DisposeAsync()
    {
        await _control.DisposeAsync();
        _context.Tls?.Dispose();
    }

    // An EXECUTE (native_protocol_v5.spec, section 4.1.6).
    private CqlRequest Execute(PreparedStatement statement, string name, Action<ByteWriter> values, int pageSize, byte[]? pagingState)
    {
        using var body = new ByteWriter();
        body.ShortBytes(statement.Id);
        var result = statement.Result;
        if (Version >= 5)
        {
            body.ShortBytes(result.Id);
        }

        var flags = (statement.Parameters.Count > 0 ? ValuesFlag : 0) | (result.Columns.Count > 0 ? SkipMetadataFlag : 0);
        QueryRequest.Parameters(body, Version, _context.Settings.Consistency, flags, pageSize, pagingState, writer =>
        {
            if (statement.Parameters.Count > 0)
            {
                writer.Short(statement.Parameters.Count);
                values(writer);
            }
        });
        return new CqlRequest(Opcode.Execute, body.Written.ToArray(), name) { Prepared = [statement] };
    }

    // The second request begins with the next node of the same plan: a plan made later may begin with the slow node.
    private async Task<CqlResponse> Speculate(CqlRequest request, ReplicaSet? replicas, long deadline, CancellationToken cancellationToken)
    {
        var plan = Plan(replicas);
        var first = OnSomeNode(request.Name, plan, node => node.SendAsync(request, deadline, cancellationToken), deadline, cancellationToken);
        if (plan.Count < 2 || await IsInTime(first, _context.Settings.SpeculativeReadDelay, cancellationToken))
        {
            return await first;
        }

        var second = OnSomeNode(request.Name, [.. plan[1..], plan[0]], node => node.SendAsync(request, deadline, cancellationToken), deadline, cancellationToken);
        var winner = await Task.WhenAny(first, second);
        return winner.IsCompletedSuccessfully ? await winner : await (winner == first ? second : first);
    }

    // The timer goes with the answer: one left behind for each read would be thousands at any time.
    private async Task<bool> IsInTime(Task answer, TimeSpan delay, CancellationToken cancellationToken)
    {
        using var answered = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var inTime = await Task.WhenAny(answer, Task.Delay(delay, _context.Time, answered.Token)) == answer;
        await answered.CancelAsync();
        return inTime;
    }

    private long Began(CqlRequest request)
    {
        CqlMetrics.Began(OperationOf(request.Opcode));
        return _context.Time.GetTimestamp();
    }

    private long Deadline() =>
        _context.Time.GetTimestamp() + (long)(_context.Settings.RequestTimeout.TotalSeconds * _context.Time.TimestampFrequency);

    private async Task<T> OnSomeNode<T>(
        string name,
        IEnumerable<CqlNode> plan,
        Func<CqlNode, Task<T>> send,
        long deadline,
        CancellationToken cancellationToken,
        List<(string, Exception)>? tried = null)
    {
        foreach (var node in plan)
        {
            if (tried is not null && _context.Time.GetTimestamp() >= deadline)
            {
                break;
            }

            try
            {
                return await send(node);
            }
            catch (CqlException failed) when (failed.IsRetryable)
            {
                cancellationToken.ThrowIfCancellationRequested();
                (tried ??= []).Add((node.Endpoint.ToString(), failed));
            }
        }

        throw new CqlNoNodeException(name, tried ?? []);
    }

    // The replicas first, those that are not silent and have the least under way before the others; then the datacenter's
    // other nodes in turn, up to as many as there are replicas: on more nodes, the same refusal would only add load.
    private List<CqlNode> Plan(ReplicaSet? replicas)
    {
        var plan = new List<CqlNode>(4);
        if (replicas is not null)
        {
            foreach (var node in replicas.Nodes)
            {
                if (node.IsUp && node.Datacenter == LocalDatacenter)
                {
                    plan.Add(node);
                }
            }

            if (plan.Count > 1)
            {
                plan.Sort(static (a, b) => (a.IsSilent, a.InFlight).CompareTo((b.IsSilent, b.InFlight)));
            }
        }

        var attempts = Math.Max(MinAttempts, replicas?.Nodes.Count(node => node.Datacenter == LocalDatacenter) ?? 0);

        var nodes = _control.LocalNodes;
        var first = (int)((uint)Interlocked.Increment(ref _turn) % (uint)Math.Max(1, nodes.Count));
        for (var i = 0; i < nodes.Count && plan.Count < attempts; i++)
        {
            var node = nodes[(first + i) % nodes.Count];
            if (node.IsUp && !plan.Contains(node))
            {
                plan.Add(node);
            }
        }

        return plan;
    }

    // What Plan begins with; where a replica is up, as nearly always, without a list of all nodes.
    private CqlNode? First(ReplicaSet replicas)
    {
        CqlNode? best = null;
        var least = int.MaxValue;
        var isSilent = true;
        foreach (var node in replicas.Nodes)
        {
            if (node.IsUp && node.Datacenter == LocalDatacenter && node.InFlight is var inFlight
                && node.IsSilent is var silent && (best is null || (isSilent && !silent) || (isSilent == silent && inFlight < least)))
            {
                (best, least, isSilent) = (node, inFlight, silent);
            }
        }

        return best ?? Plan(replicas).FirstOrDefault();
    }

    private static string OperationOf(Opcode opcode) => opcode switch
    {
        Opcode.Execute => "EXECUTE",
        Opcode.Batch => "BATCH",
        _ => "QUERY",
    };

    private static bool IsSchemaChange(string cql)
    {
        var text = cql.AsSpan().TrimStart();
        var end = text.IndexOfAny(" \t\r\n");
        return end > 0 && text[..end] is var keyword
            && (keyword.Equals("CREATE", StringComparison.OrdinalIgnoreCase)
                || keyword.Equals("ALTER", StringComparison.OrdinalIgnoreCase)
                || keyword.Equals("DROP", StringComparison.OrdinalIgnoreCase)
                || keyword.Equals("TRUNCATE", StringComparison.OrdinalIgnoreCase));
    }

    private async Task<RowSet> ChangeSchemaAsync(string cql, CancellationToken cancellationToken)
    {
        var request = QueryRequest.Of(cql, Version, _context.Settings.Consistency);
        var node = _control.Node ?? Plan(null).FirstOrDefault() ?? throw new CqlNoNodeException(cql, []);
        var began = Began(request);
        try
        {
            var deadline = began + (long)(_context.Settings.SchemaTimeout.TotalSeconds * _context.Time.TimestampFrequency);
            var answer = await node.SendAsync(request, deadline, cancellationToken);
            Ended(request, began, answer);
            await _control.AwaitSchemaAgreementAsync(cancellationToken);
            return RowSet.Read(answer);
        }
        catch (Exception failed)
        {
            Ended(request, began, failed);
            throw;
        }
    }

    private void Warn(IReadOnlyList<string> warnings)
    {
        var now = _context.Time.GetTimestamp();
        var last = Interlocked.Read(ref _warned);
        if ((last == 0 || _context.Time.GetElapsedTime(last, now) >= _warnEvery) && Interlocked.CompareExchange(ref _warned, now, last) == last)
        {
            // A log that is slow must not keep a connection from its other answers.
            _ = Task.Run(() => LogWarning(_context.Logger, warnings[0]));
        }
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Cassandra warns (shown once a minute at most): {Warning}")]
    private static partial void LogWarning(ILogger logger, string warning);
}
