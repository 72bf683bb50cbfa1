using EcomStream.Cassandra.Cluster;
using EcomStream.Cassandra.Protocol;
using EcomStream.TestSupport;

namespace EcomStream.Cassandra.Tests;

/// <summary>How a session follows a cluster and keeps its statements known, where a real one cannot be timed.</summary>
public sealed class ScriptedClusterTests
{
    private const string Insert = "INSERT INTO shop.t (k) VALUES (?)";

    [Fact]
    public async Task A_change_whose_reading_fails_is_read_again_although_no_other_event_comes()
    {
        await using var cluster = new ScriptedCluster("dc1/r1");
        using var log = new LogLines();
        await using var session = await cluster.ConnectAsync(log: log);
        session.ReplicasOf(0).Nodes.Count.ShouldBe(1);
        cluster.Replication = [];
        var (uuid, text) = (new CqlType(CqlTypeCode.Uuid, []), new CqlType(CqlTypeCode.Text, []));
        var failing = 2;
        cluster.Script = request =>
        {
            if (!request.Cql.Contains("system.local", StringComparison.Ordinal) || failing == 0)
            {
                return null;
            }

            // The first failure is the server's; the second one is an answer that the client cannot make sense of.
            return failing-- == 2
                ? ScriptedCluster.Error(CqlErrorCode.Overloaded, "later")
                : (Opcode.Result, ScriptedCluster.Rows(
                    [uuid, text, text, new CqlType(CqlTypeCode.Set, [text]), text], [[Guid.NewGuid(), "dc1", "r1", new List<object?> { "0" }, "no version"]]));
        };

        await cluster.KeyspaceChangedAsync();

        await Eventually.True(() => session.ReplicasOf(0).Nodes.Count == 0, "the change is known");
        failing.ShouldBe(0);
        log.Lines.ShouldContain(line => line.Contains("tells of changes", StringComparison.Ordinal));
    }
}
