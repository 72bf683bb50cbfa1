using System.Diagnostics;
using EcomStream.Cql.Cluster;
using EcomStream.Cql.Protocol;
using EcomStream.Cql.TestSupport;
using EcomStream.TestSupport;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.Cql.Tests;

/// <summary>How many nodes a request is sent to, for how long, and which ones are passed over.</summary>
public sealed class CoordinatorTests
{
    private const string Insert = "INSERT INTO shop.t (k) VALUES (?)";
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(20);

    [Theory]
    [InlineData(CqlErrorCode.Unavailable)]
    [InlineData(CqlErrorCode.WriteTimeout)]
    [InlineData(CqlErrorCode.Overloaded)]
    public async Task A_refused_request_is_tried_on_no_more_nodes_than_there_are_replicas(CqlErrorCode code)
    {
        await using var cluster = new ScriptedCluster([.. Enumerable.Repeat("dc1/r1", 8)]);
        cluster.Replication["replication_factor"] = "3";
        await using var session = await cluster.ConnectAsync();
        var statement = await session.PrepareAsync(Insert, default);
        cluster.Script = request => request.Opcode != Opcode.Execute ? null : ScriptedCluster.Error(code, "no", body =>
        {
            body.Short((int)Consistency.LocalQuorum);
            body.Int(2);
            body.Int(1);
            body.String("UNLOGGED_BATCH");
        });

        var read = await Should.ThrowAsync<CqlNoNodeException>(() => ExecuteAsync(session, statement));
        read.Tried.Count.ShouldBe(3);
        var write = await Should.ThrowAsync<CqlNoNodeException>(() => WriteAsync(session, statement, 1, 0));
        write.Tried.Count.ShouldBe(3);
        Executes(cluster).Count.ShouldBe(6);
    }

    [Fact]
    public async Task A_request_that_no_node_answers_fails_when_its_own_time_is_over_and_not_once_per_node()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1", "dc1/r1");
        await using var session = await cluster.ConnectAsync(cluster.Settings with { RequestTimeout = TimeSpan.FromSeconds(2), SilentNodeDelay = TimeSpan.Zero });
        var statement = await session.PrepareAsync(Insert, default);
        cluster.Script = request => request.Opcode == Opcode.Execute ? ScriptedCluster.NoAnswer : null;

        var clock = Stopwatch.StartNew();
        await Should.ThrowAsync<CqlNoNodeException>(() => ExecuteAsync(session, statement));
        await Should.ThrowAsync<CqlNoNodeException>(() => WriteAsync(session, statement, 1, 0));

        clock.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(5.5));
        Executes(cluster).Count.ShouldBe(2);
    }

    [Fact]
    public async Task The_time_of_a_request_includes_its_wait_for_the_connection()
    {
        await using var cluster = new ScriptedCluster("dc1/r1");
        await using var session = await cluster.ConnectAsync(cluster.Settings with { MaxInFlight = 1, RequestTimeout = TimeSpan.FromSeconds(2) });
        var statement = await session.PrepareAsync(Insert, default);
        cluster.Script = request => request.Opcode == Opcode.Execute ? ScriptedCluster.NoAnswer : null;

        var clock = Stopwatch.StartNew();
        await Task.WhenAll(Enumerable.Range(0, 4).Select(_ => Should.ThrowAsync<CqlNoNodeException>(() => ExecuteAsync(session, statement))));

        clock.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(3.5));
    }

    [Fact]
    public async Task Writes_to_a_silent_node_go_to_another_one_early_and_the_next_ones_pass_it_over()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1");
        cluster.Replication["replication_factor"] = "2";
        await using var session = await cluster.ConnectAsync(cluster.Settings with { SilentNodeDelay = TimeSpan.FromMilliseconds(300) });
        var statement = await session.PrepareAsync(Insert, default);
        await WriteAsync(session, statement, 20, 0).WaitAsync(_patience);
        var frozen = 1;
        cluster.Script = request => request.Opcode == Opcode.Execute && request.Node == frozen ? ScriptedCluster.NoAnswer : null;

        await WriteAsync(session, statement, 20, 0).WaitAsync(_patience);
        var before = Executes(cluster).Count(node => node == frozen);
        await WriteAsync(session, statement, 200, 0).WaitAsync(_patience);

        Executes(cluster).Count(node => node == frozen).ShouldBe(before);
    }

    [Fact]
    public async Task A_node_that_answers_again_is_used_again()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1");
        await using var session = await cluster.ConnectAsync(cluster.Settings with { SilentNodeDelay = TimeSpan.FromMilliseconds(300), HeartbeatInterval = TimeSpan.FromMilliseconds(500) });
        var statement = await session.PrepareAsync(Insert, default);
        cluster.Script = request => request.Opcode == Opcode.Execute && request.Node == 1 ? ScriptedCluster.NoAnswer : null;
        await WriteAsync(session, statement, 5, cluster.TokenOf(1)).WaitAsync(_patience);

        // Heartbeats are answered: the node is slow, not silent.
        await Eventually.True(() => session.Nodes.All(node => !node.IsSilent), "no node is silent");
        cluster.Script = _ => null;
        var before = Executes(cluster).Count(node => node == 1);
        await WriteAsync(session, statement, 5, cluster.TokenOf(1)).WaitAsync(_patience);
        Executes(cluster).Count(node => node == 1).ShouldBe(before + 5);
    }

    [Fact]
    public async Task A_schema_change_goes_to_one_node_whatever_it_answers()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1", "dc1/r1");
        await using var session = await cluster.ConnectAsync();
        cluster.Script = request => request.Cql.StartsWith("CREATE TABLE", StringComparison.Ordinal) ? ScriptedCluster.Error(CqlErrorCode.Overloaded, "later") : null;

        (await Should.ThrowAsync<CqlServerException>(() => session.QueryAsync("CREATE TABLE shop.t (k int PRIMARY KEY)", default))).Code.ShouldBe(CqlErrorCode.Overloaded);

        cluster.Requests.Count(request => request.Cql.StartsWith("CREATE TABLE", StringComparison.Ordinal)).ShouldBe(1);
    }

    [Fact]
    public async Task A_schema_change_may_take_longer_than_a_request()
    {
        await using var cluster = new ScriptedCluster("dc1/r1");
        var time = new FakeTimeProvider();
        await using var session = await cluster.ConnectAsync(cluster.Settings with { RequestTimeout = TimeSpan.FromSeconds(5) }, time: time);
        using var executed = new ManualResetEventSlim();
        cluster.Script = request =>
        {
            if (request.Cql.StartsWith("CREATE TABLE", StringComparison.Ordinal))
            {
                executed.Wait(_patience);
            }

            return null;
        };

        var change = session.QueryAsync("CREATE TABLE shop.t (k int PRIMARY KEY)", default);
        await Eventually.True(() => cluster.Requests.Any(request => request.Cql.StartsWith("CREATE TABLE", StringComparison.Ordinal)), "the node has the change");
        time.Advance(TimeSpan.FromSeconds(30));
        change.IsCompleted.ShouldBeFalse();
        executed.Set();
        await change.WaitAsync(_patience);
    }

    private static Task<RowSet> ExecuteAsync(CqlSession session, PreparedStatement statement) =>
        session.ReadAsync(statement, "insert", session.ReplicasOf(0), values => values.Value(1), default);

    private static async Task WriteAsync(CqlSession session, PreparedStatement statement, int rows, long token)
    {
        var writes = new List<Task>();
        for (var row = 0; row < rows; row++)
        {
            var ended = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
            using var batch = new StatementBatch(session.Version);
            batch.Add(statement).Value(row);
            await session.BeginAsync(
                batch.ToRequest(Consistency.One, "write"),
                session.ReplicasOf(token),
                failure =>
                {
                    if (failure is null)
                    {
                        ended.SetResult();
                    }
                    else
                    {
                        ended.SetException(failure);
                    }
                },
                default);
            writes.Add(ended.Task);
        }

        await Task.WhenAll(writes);
    }

    private static List<int> Executes(ScriptedCluster cluster) =>
        [.. cluster.Requests.Where(request => request.Opcode == Opcode.Execute).Select(request => request.Node)];
}
