using EcomStream.Cql.TestSupport;
using EcomStream.Cql.Cluster;
using EcomStream.Cql.Protocol;
using EcomStream.TestSupport;

namespace EcomStream.Cql.Tests;

/// <summary>What a server tells beside its answers, and what it forgets.</summary>
public sealed class ClusterKnowledgeTests(TestKeyspace keyspace) : IClassFixture<TestKeyspace>
{
    private string Name => keyspace.Settings.Keyspace;

    [SkippableFact]
    public async Task A_keyspace_that_another_client_makes_and_drops_is_learned_by_events()
    {
        await using var listener = await CassandraServer.ConnectAsync(keyspace.Settings with { Keyspace = $"{Name}_new" });
        listener.ReplicasOf(0).Nodes.ShouldBeEmpty();
        await using var other = await CassandraServer.ConnectAsync();
        await other.QueryAsync($"CREATE KEYSPACE {Name}_new WITH replication = {{'class': 'SimpleStrategy', 'replication_factor': 1}}", default);
        await Eventually.True(() => listener.ReplicasOf(0).Nodes.Count == 1, "the replicas are known");
        await other.QueryAsync($"DROP KEYSPACE {Name}_new", default);
        await Eventually.True(() => listener.ReplicasOf(0).Nodes.Count == 0, "they no longer are");
    }

    [SkippableFact]
    public async Task A_statement_that_the_server_has_forgotten_is_prepared_again()
    {
        await using var session = await keyspace.SessionWithTableAsync("forgotten", "k int PRIMARY KEY, v text");
        await Insert(1);

        // Dropping the table drops every statement on it.
        await using (var other = await CassandraServer.ConnectAsync(keyspace.Settings))
        {
            await other.QueryAsync($"DROP TABLE {Name}.forgotten", default);
            await other.QueryAsync($"CREATE TABLE {Name}.forgotten (k int PRIMARY KEY, v text)", default);
        }

        await Insert(2);
        var rows = await session.QueryAsync($"SELECT k FROM {Name}.forgotten", default);
        rows.Next().ShouldBeTrue();
        rows.Int32(0).ShouldBe(2);

        async Task Insert(int k)
        {
            await foreach (var _ in session.ExecuteAllAsync($"INSERT INTO {Name}.forgotten (k, v) VALUES (?, ?)", [k, "x"], 0, default))
            {
            }
        }
    }

    [SkippableFact]
    public async Task A_request_can_be_traced_and_the_server_has_the_trace()
    {
        // system_traces has two replicas, also where there is one node.
        await using var session = await CassandraServer.ConnectAsync(CassandraServer.Settings with { Consistency = Consistency.One });
        var request = QueryRequest.Of("SELECT release_version FROM system.local", session.Version, Consistency.One, 0, null) with { Tracing = true };
        var answer = await session.SendAsync(request, null, speculative: false, default);
        var id = answer.TracingId.ShouldNotBeNull();
        RowSet.Read(answer).Count.ShouldBe(1);
        for (var tries = 0; tries < 100; tries++)
        {
            var trace = await session.QueryAsync($"SELECT command FROM system_traces.sessions WHERE session_id = {id}", default);
            if (trace.Next())
            {
                trace.Text(0).ShouldBe("QUERY");
                return;
            }

            await Task.Delay(100);
        }

        Assert.Fail("The trace did not appear.");
    }

    [SkippableFact]
    public async Task What_the_server_warns_of_comes_with_the_answer()
    {
        await using var session = await keyspace.SessionWithTableAsync("warned", "k int PRIMARY KEY, v text");
        var batch = $"BEGIN UNLOGGED BATCH {string.Join(' ', Enumerable.Range(0, 40).Select(k => $"INSERT INTO {Name}.warned (k, v) VALUES ({k}, '{new string('x', 400)}');"))} APPLY BATCH";
        var answer = await session.SendAsync(QueryRequest.Of(batch, session.Version, Consistency.One, 0, null), null, speculative: false, default);
        answer.Warnings.ShouldContain(warning => warning.Contains("Unlogged batch") || warning.Contains("exceeding"));
    }
}
