using EcomStream.Cql.TestSupport;
using System.Net;
using EcomStream.Cql.Cluster;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.Cql.Tests;

/// <summary>Which nodes hold a token, for each strategy, and what it means that they have confirmed.</summary>
public sealed class TokenMapTests
{
    private static readonly ClusterContext _context = new(new CqlSettings(), null, NullLogger.Instance, TimeProvider.System);

    [Fact]
    public void A_token_belongs_to_the_node_of_the_next_token_up_to_and_with_its_own_and_the_ring_is_closed()
    {
        var nodes = Ring("dc1/r1 0", "dc1/r1 100", "dc1/r1 200");
        var map = TokenMap.Build(nodes, Simple(1));
        foreach (var (token, owner) in new[] { (-5L, 0), (0L, 0), (1L, 1), (100L, 1), (101L, 2), (200L, 2), (201L, 0), (long.MaxValue, 0), (long.MinValue, 0) })
        {
            map.ReplicasOf(token).Nodes.ShouldBe([nodes[owner]], $"{token}");
        }
    }

    [Fact]
    public void SimpleStrategy_takes_the_next_nodes_whatever_their_datacenter_each_once()
    {
        var nodes = Ring("dc1/r1 0 10 300", "dc2/r1 100", "dc1/r1 200");
        var map = TokenMap.Build(nodes, Simple(2));
        Hosts(map, 0).ShouldBe([nodes[0], nodes[1]], ignoreOrder: true);
        Hosts(map, 150).ShouldBe([nodes[2], nodes[0]], ignoreOrder: true);
        TokenMap.Build(nodes, Simple(5)).ReplicasOf(0).Nodes.Count.ShouldBe(3);
    }

    [Fact]
    public void NetworkTopologyStrategy_takes_as_many_as_it_is_told_in_each_datacenter()
    {
        var nodes = Ring("dc1/r1 0", "dc2/r1 1", "dc1/r1 100", "dc2/r1 101", "dc1/r1 200", "dc3/r1 201");
        var map = TokenMap.Build(nodes, Network(("dc1", 2), ("dc2", 1)));
        Hosts(map, 0).ShouldBe([nodes[0], nodes[1], nodes[2]], ignoreOrder: true);
        Hosts(map, 150).ShouldBe([nodes[4], nodes[0], nodes[1]], ignoreOrder: true);
        Hosts(TokenMap.Build(nodes, Network(("dc2", 5))), 0).ShouldBe([nodes[1], nodes[3]], ignoreOrder: true);
    }

    [Fact]
    public void NetworkTopologyStrategy_takes_other_racks_first_and_the_ones_it_passed_over_when_there_are_no_more()
    {
        var nodes = Ring("dc1/r1 0", "dc1/r1 100", "dc1/r2 200", "dc1/r2 300");
        Hosts(TokenMap.Build(nodes, Network(("dc1", 2))), 0).ShouldBe([nodes[0], nodes[2]], ignoreOrder: true);
        Hosts(TokenMap.Build(nodes, Network(("dc1", 3))), 0).ShouldBe([nodes[0], nodes[1], nodes[2]], ignoreOrder: true);
        Hosts(TokenMap.Build(nodes, Network(("dc1", 2))), 150).ShouldBe([nodes[2], nodes[0]], ignoreOrder: true);
    }

    [Fact]
    public void The_same_nodes_are_the_same_set_wherever_on_the_ring_it_begins()
    {
        var nodes = Ring("dc1/r1 0 1000", "dc1/r1 100 900", "dc1/r1 200 800");
        var map = TokenMap.Build(nodes, Simple(3));
        nodes.SelectMany(node => node.Tokens).Select(map.ReplicasOf).Distinct().Count().ShouldBe(1);
    }

    [Theory]
    [InlineData(Consistency.One, 1)]
    [InlineData(Consistency.LocalOne, 1)]
    [InlineData(Consistency.Two, 2)]
    [InlineData(Consistency.Three, 3)]
    [InlineData(Consistency.LocalQuorum, 2)]
    [InlineData(Consistency.Quorum, 3)]
    [InlineData(Consistency.EachQuorum, 3)]
    [InlineData(Consistency.All, 4)]
    public void Of_three_replicas_here_and_one_elsewhere_so_many_have_confirmed(Consistency consistency, int confirmed)
    {
        var map = TokenMap.Build(Ring("dc1/r1 0", "dc1/r1 100", "dc1/r1 200", "dc2/r1 300"), Network(("dc1", 3), ("dc2", 1)));
        map.ReplicasOf(0).Confirming(consistency, "dc1").ShouldBe(confirmed);
    }

    [Fact]
    public void Of_one_replica_here_a_local_quorum_is_one_however_many_there_are_elsewhere() =>
        TokenMap.Build(Ring("dc1/r1 0", "dc2/r1 100", "dc2/r1 200", "dc2/r1 300"), Network(("dc1", 1), ("dc2", 3)))
            .ReplicasOf(0).Confirming(Consistency.LocalQuorum, "dc1").ShouldBe(1);

    private static IEnumerable<CqlNode> Hosts(TokenMap map, long token) => map.ReplicasOf(token).Nodes;

    // Each as "datacenter/rack token token ...".
    private static List<CqlNode> Ring(params string[] nodes) => [.. nodes.Select((node, i) =>
    {
        var words = node.Split('/', ' ');
        return new CqlNode(
            new NodeDescription(Guid.NewGuid(), new IPEndPoint(IPAddress.Loopback, i + 1), words[0], words[1], [.. words[2..].Select(long.Parse)], null), _context);
    })];

    private static Dictionary<string, string> Simple(int factor) =>
        new() { ["class"] = "org.apache.cassandra.locator.SimpleStrategy", ["replication_factor"] = $"{factor}" };

    private static Dictionary<string, string> Network(params (string Datacenter, int Factor)[] factors)
    {
        var replication = factors.ToDictionary(factor => factor.Datacenter, factor => $"{factor.Factor}");
        replication["class"] = "org.apache.cassandra.locator.NetworkTopologyStrategy";
        return replication;
    }
}
