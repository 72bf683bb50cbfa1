using EcomStream.Cql;
using EcomStream.Cassandra.Native;
using EcomStream.Cassandra.Seam;
using EcomStream.Cassandra.Writing;
using System.Buffers.Binary;
using EcomStream.Cql.Cluster;
using EcomStream.Cql.TestSupport;
using EcomStream.Cql.Protocol;
using EcomStream.TestSupport;

namespace EcomStream.Cassandra.Tests;

/// <summary>How the rows of one call are sent, and what becomes of them where nodes fail.</summary>
public sealed class BatchSetTests
{
    private const string Insert = "INSERT INTO shop.t (k) VALUES (?)";
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);

    [Fact]
    public async Task No_batch_of_several_rows_is_larger_than_its_bounds()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1", "dc1/r1");
        var settings = new CassandraSettings(cluster.Settings) with { BatchBytes = 3_000, BatchRows = 10 };
        await using var session = await cluster.ConnectAsync(settings);
        var statement = await session.PrepareAsync(Insert, default);
        var random = new Random(1);
        using var batches = new BatchSet(new NativeClient(session, settings), settings, "write");
        for (var row = 0; row < 2_000; row++)
        {
            batches.Row.Add(new NativeStatement(statement), new OneBlob(new byte[random.Next(100) == 0 ? 60_000 : random.Next(1_000)]));
            await batches.AddAsync(Replicas(session, random.NextInt64(long.MinValue, long.MaxValue)), default);
        }

        await batches.SendAsync(default);

        // The kind of a batch and the number of its statements, and its consistency and flags.
        const int Around = 3 + 3;
        var sent = cluster.Requests.Where(request => request.Opcode is Opcode.Batch).ToList();
        sent.Select(request => request.Body.Length).Max().ShouldBeInRange(2_000, 3_000 + Around);
        var rows = sent.Select(request => BinaryPrimitives.ReadInt16BigEndian(request.Body.AsSpan(1))).ToList();
        rows.ShouldAllBe(count => count >= 2 && count <= 10);
        (rows.Sum(count => count) + cluster.Requests.Count(request => request.Opcode == Opcode.Execute)).ShouldBe(2_000);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(64)]
    public async Task Every_row_is_sent_once_however_few_may_be_under_way(int maxInFlight)
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1");
        var settings = new CassandraSettings(cluster.Settings) with { BatchRows = 1, MaxInFlight = maxInFlight };
        await using var session = await cluster.ConnectAsync(settings);

        await Task.WhenAll(Enumerable.Range(0, 4).Select(call => WriteAsync(session, settings, Enumerable.Range(call * 500, 500), default)));

        Written(cluster).Order().ShouldBe(Enumerable.Range(0, 2_000));
    }

    [Fact]
    public async Task A_row_waits_while_the_connection_has_as_much_under_way_as_it_may()
    {
        await using var cluster = new ScriptedCluster("dc1/r1");
        var settings = new CassandraSettings(cluster.Settings) with { BatchRows = 1, MaxInFlight = 4 };
        await using var session = await cluster.ConnectAsync(settings);
        var statement = await session.PrepareAsync(Insert, default);
        using var answers = new ManualResetEventSlim();
        cluster.Script = request =>
        {
            answers.Wait(Patience);
            return null;
        };
        using var batches = new BatchSet(new NativeClient(session, settings), settings, "write");
        for (var row = 0; row < 3; row++)
        {
            batches.Row.Add(new NativeStatement(statement), new OneInt(row));
            batches.AddAsync(Replicas(session, 0), default).AsTask().IsCompletedSuccessfully.ShouldBeTrue();
        }

        using var given = new CancellationTokenSource();
        batches.Row.Add(new NativeStatement(statement), new OneInt(3));
        var last = batches.AddAsync(Replicas(session, 0), given.Token).AsTask();
        last.IsCompleted.ShouldBeFalse();
        await given.CancelAsync();
        await Should.ThrowAsync<OperationCanceledException>(() => last);

        // What waits is sent in turn.
        var next = WriteAsync(session, settings, [4, 5], default);
        answers.Set();
        await next;
        await batches.SendAsync(default);
        Written(cluster).ShouldBe([0, 1, 2, 3, 4, 5]);
    }

    [Fact]
    public async Task Reads_get_their_turn_while_writes_keep_the_connection_full()
    {
        await using var cluster = new ScriptedCluster("dc1/r1");
        var settings = new CassandraSettings(cluster.Settings) with { BatchRows = 1, MaxInFlight = 8 };
        await using var session = await cluster.ConnectAsync(settings);
        var statement = await session.PrepareAsync(Insert, default);
        using var stop = new CancellationTokenSource();
        var writing = Enumerable.Range(0, 4).Select(_ => Task.Run(async () =>
        {
            while (!stop.IsCancellationRequested)
            {
                await WriteAsync(session, settings, Enumerable.Range(0, 500), default);
            }
        })).ToList();

        for (var read = 0; read < 200; read++)
        {
            await session.ReadAsync(statement, "read", session.ReplicasOf(0), values => values.Value(-1), default).WaitAsync(Patience);
        }

        await stop.CancelAsync();
        await Task.WhenAll(writing);
        var order = Written(cluster);
        order.Count(value => value == -1).ShouldBe(200);
        order.Count(value => value >= 0).ShouldBeGreaterThan(200);
    }

    [Fact]
    public async Task A_row_whose_node_fails_goes_to_the_next_one()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1");
        var settings = new CassandraSettings(cluster.Settings) with { BatchRows = 1 };
        await using var session = await cluster.ConnectAsync(settings);
        cluster.Script = request => request is { Opcode: Opcode.Execute, Node: 0 } ? ScriptedCluster.Error(CqlErrorCode.Overloaded, "later") : null;

        await WriteAsync(session, settings, Enumerable.Range(0, 100), default, token: cluster.TokenOf(0));

        Written(cluster, node: 0).Order().ShouldBe(Enumerable.Range(0, 100));
        Written(cluster, node: 1).Order().ShouldBe(Enumerable.Range(0, 100));
    }

    [Fact]
    public async Task What_every_node_refuses_is_tried_once_on_each_and_the_error_says_so()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1", "dc1/r1");
        var settings = new CassandraSettings(cluster.Settings) with { BatchRows = 10 };
        await using var session = await cluster.ConnectAsync(settings);
        cluster.Script = request => request.Opcode == Opcode.Batch ? ScriptedCluster.Error(CqlErrorCode.Overloaded, $"node {request.Node} is busy") : null;

        var error = await Should.ThrowAsync<CqlFault>(() => WriteAsync(session, settings, Enumerable.Range(0, 10), default));

        error.Message.ShouldContain("write (10 rows)");
        error.InnerException.ShouldBeOfType<CqlNoNodeException>().Tried.Select(tried => tried.Node).ShouldBe(cluster.Nodes.Select(node => node.Endpoint.ToString()), ignoreOrder: true);
        error.InnerException.ShouldBeOfType<CqlNoNodeException>().Tried.Select(tried => tried.Error.Message).ShouldAllBe(message => message.Contains("is busy"));
    }

    [Fact]
    public async Task What_no_other_node_would_take_is_not_sent_to_it_and_the_other_rows_are_written()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1");
        var settings = new CassandraSettings(cluster.Settings) with { BatchRows = 1 };
        await using var session = await cluster.ConnectAsync(settings);
        var refused = 0;
        cluster.Script = request => request.Opcode == Opcode.Execute && Interlocked.Exchange(ref refused, 1) == 0
            ? ScriptedCluster.Error(CqlErrorCode.Invalid, "no such value")
            : null;

        var error = await Should.ThrowAsync<CqlFault>(() => WriteAsync(session, settings, Enumerable.Range(0, 50), default));

        error.Kind.ShouldBe(FaultKind.Invalid);
        error.InnerException.ShouldBeOfType<CqlServerException>().Code.ShouldBe(CqlErrorCode.Invalid);
        Written(cluster).Order().ShouldBe(Enumerable.Range(0, 50));
    }

    [Fact]
    public async Task A_statement_that_the_node_has_forgotten_is_prepared_again_and_every_row_written()
    {
        await using var cluster = new ScriptedCluster("dc1/r1");
        var settings = new CassandraSettings(cluster.Settings) with { BatchRows = 1 };
        await using var session = await cluster.ConnectAsync(settings);
        var statement = await session.PrepareAsync(Insert, default);
        cluster.Script = request => request.Opcode == Opcode.Execute && cluster.Prepares < 2
            ? ScriptedCluster.Unprepared(statement)
            : null;

        await WriteAsync(session, settings, Enumerable.Range(0, 100), default);

        // Those before the second PREPARE were refused.
        cluster.Prepares.ShouldBe(2);
        var requests = cluster.Requests.ToList();
        Written(requests.Skip(requests.FindLastIndex(request => request.Opcode == Opcode.Prepare))).Order().ShouldBe(Enumerable.Range(0, 100));
    }

    [Fact]
    public async Task The_rows_of_a_call_wait_together_for_a_node_that_does_not_answer_PREPARE()
    {
        await using var cluster = new ScriptedCluster("dc1/r1");
        var settings = new CassandraSettings(cluster.Settings) with { BatchRows = 1, RequestTimeout = TimeSpan.FromSeconds(3) };
        await using var session = await cluster.ConnectAsync(settings);
        var statement = await session.PrepareAsync(Insert, default);
        cluster.Script = request => request.Opcode switch
        {
            Opcode.Execute => ScriptedCluster.Unprepared(statement),
            Opcode.Prepare => ScriptedCluster.NoAnswer,
            _ => null,
        };

        // The second call finds that the node does not know the statement.
        for (var call = 0; call < 2; call++)
        {
            var error = await Should.ThrowAsync<CqlFault>(
                () => WriteAsync(session, settings, Enumerable.Range(0, 40), default).WaitAsync(TimeSpan.FromSeconds(60)));
            error.Message.ShouldContain("PREPARE");
        }
    }

    [Fact]
    public async Task Rows_that_wait_for_a_node_that_is_lost_go_to_another_one()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1");
        var settings = new CassandraSettings(cluster.Settings) with { BatchRows = 1, MaxInFlight = 8 };
        await using var session = await cluster.ConnectAsync(settings);
        var lost = 1;
        cluster.Script = request => request.Opcode == Opcode.Execute && request.Node == lost ? ScriptedCluster.NoAnswer : null;

        // Of one call the next row waits for room, of the other one a row that was given to the connection.
        var one = WriteAsync(session, settings, Enumerable.Range(0, 100), default, token: cluster.TokenOf(lost));
        await Eventually.True(() => Written(cluster, node: lost).Count == 8, "the connection is full");
        var other = WriteAsync(session, settings, Enumerable.Range(100, 100), default, token: cluster.TokenOf(lost));
        one.IsCompleted.ShouldBeFalse();
        await cluster.Nodes[lost].DisposeAsync();

        await Task.WhenAll(one, other).WaitAsync(Patience);
        Written(cluster, node: 0).Order().ShouldBe(Enumerable.Range(0, 200));
    }

    [Fact]
    public async Task The_rows_of_a_node_that_is_silent_are_written_by_another_one_long_before_the_request_timeout()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1");
        var settings = new CassandraSettings(cluster.Settings) with { BatchRows = 1, MaxInFlight = 64, SilentNodeDelay = TimeSpan.FromMilliseconds(300) };
        await using var session = await cluster.ConnectAsync(settings);
        cluster.Script = request => request is { Opcode: Opcode.Execute, Node: 1 } ? ScriptedCluster.NoAnswer : null;

        await WriteAsync(session, settings, Enumerable.Range(0, 20), default, token: cluster.TokenOf(1)).WaitAsync(Patience);

        Written(cluster, node: 0).Order().ShouldBe(Enumerable.Range(0, 20));
    }

    [Fact]
    public async Task Rows_are_sent_twice_while_a_node_pauses_and_none_is_lost()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1");
        var settings = new CassandraSettings(cluster.Settings) with { BatchRows = 1, MaxInFlight = 1, SilentNodeDelay = TimeSpan.FromMilliseconds(300) };
        await using var session = await cluster.ConnectAsync(settings);
        var paused = cluster.Nodes.Count - 1;
        using var answers = new ManualResetEventSlim();
        cluster.Script = request =>
        {
            if (request is { Opcode: Opcode.Execute } && request.Node == paused)
            {
                answers.Wait(Patience);
            }

            return null;
        };

        var writing = Task.WhenAll(Enumerable.Range(0, 4).Select(call => WriteAsync(session, settings, Enumerable.Range(call * 50, 50), default, cluster.TokenOf(paused))));
        await Eventually.True(() => Written(cluster, node: 0).Count > 0, "another node gets rows");
        answers.Set();
        await writing.WaitAsync(Patience);

        Written(cluster).Distinct().Order().ShouldBe(Enumerable.Range(0, 200));
        Written(cluster).Count.ShouldBeGreaterThan(200);
    }

    private static async Task WriteAsync(
        CqlSession session, CassandraSettings settings, IEnumerable<int> rows, CancellationToken cancellationToken, long token = 0)
    {
        var statement = new NativeStatement(await session.PrepareAsync(Insert, cancellationToken));
        using var batches = new BatchSet(new NativeClient(session, settings), settings, "write");
        foreach (var row in rows)
        {
            batches.Row.Add(statement, new OneInt(row));
            await batches.AddAsync(Replicas(session, token), cancellationToken);
        }

        await batches.SendAsync(cancellationToken);
    }

    private static List<int> Written(ScriptedCluster cluster, int? node = null) =>
        Written(cluster.Requests.Where(request => node is null || request.Node == node));

    // The rows of the EXECUTEs among them, in order; the value comes last.
    private static List<int> Written(IEnumerable<ScriptedRequest> requests) =>
        [.. requests
            .Where(request => request.Opcode == Opcode.Execute)
            .Select(request => BinaryPrimitives.ReadInt32BigEndian(request.Body.AsSpan(request.Body.Length - sizeof(int))))];

    private static ReplicaGroup Replicas(CqlSession session, long token) => new(session.ReplicasOf(token));

    private readonly struct OneInt(int value) : IStatementValues
    {
        public void Write<TCells>(ref TCells cells)
            where TCells : struct, ICells =>
            cells.Int(value);
    }

    private readonly struct OneBlob(byte[] value) : IStatementValues
    {
        public void Write<TCells>(ref TCells cells)
            where TCells : struct, ICells =>
            cells.Blob(value);
    }
}
