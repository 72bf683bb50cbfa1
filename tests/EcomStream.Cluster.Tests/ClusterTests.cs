using System.Diagnostics;
using Akka.Actor;
using Akka.Remote;
using Akka.Remote.Transport;
using EcomStream.Actors;
using EcomStream.Core;
using EcomStream.TestSupport;

namespace EcomStream.Cluster.Tests;

/// <summary>Several nodes are one system: what one receives another joins, and no promise is broken when nodes come and go.</summary>
[Trait("Speed", "Slow")]
public sealed class ClusterTests
{
    private const int Orders = 4_000;

    [Fact]
    public async Task Three_nodes_share_the_shards_and_join_everything()
    {
        await using var cluster = await TestCluster.StartAsync(3);
        await Task.WhenAll(cluster.PublishPaymentsAsync(1, Orders), cluster.PublishOrdersAsync(1, Orders));

        await cluster.CompletesAsync(Orders);

        cluster.Nodes.ShouldAllBe(node => node.Hosted.All.Sum(shard => shard.Messages) > 0);
        cluster.Nodes.Sum(node => node.Hosted.All.Sum(shard => shard.Messages)).ShouldBeGreaterThanOrEqualTo(2 * Orders);
    }

    [Fact]
    public async Task A_payment_without_an_order_is_dead_lettered_when_every_node_has_passed_its_grace_and_healed_on_whichever_node()
    {
        await using var cluster = await TestCluster.StartAsync(2);
        await cluster.PublishPaymentsAsync(1, 100);
        await Eventually.True(
            () => cluster.Store.Unmatched.Count(row => row.State == UnmatchedState.DeadLettered) == 100, "the payments are given up", TimeSpan.FromSeconds(60));

        await cluster.PublishOrdersAsync(1, 100);

        await cluster.CompletesAsync(100);
    }

    [Fact]
    public async Task A_node_that_leaves_under_load_and_one_that_joins_lose_nothing()
    {
        await using var cluster = await TestCluster.StartAsync(2);
        var publishing = Task.WhenAll(cluster.PublishOrdersAsync(1, Orders), cluster.PublishPaymentsAsync(1, Orders));
        await cluster.JoinAsync();
        await publishing;
        var more = Task.WhenAll(cluster.PublishPaymentsAsync(Orders + 1, Orders), cluster.PublishOrdersAsync(Orders + 1, Orders));
        await cluster.Nodes[0].StopAsync();
        await more;

        await cluster.CompletesAsync(2 * Orders);

        await cluster.BalancedAsync();
    }

    [Fact]
    public async Task A_node_that_is_cut_off_stops_and_the_others_take_over_its_shards()
    {
        await using var cluster = await TestCluster.StartAsync(3, "akka.remote.dot-netty.tcp.applied-adapters = [trttl]");
        await cluster.PublishOrdersAsync(1, Orders);
        var cutOff = cluster.Nodes[2];
        foreach (var other in cluster.Nodes.Take(2))
        {
            await CutAsync(other.System, cutOff.System);
            await CutAsync(cutOff.System, other.System);
        }

        var clock = Stopwatch.StartNew();
        await cluster.PublishPaymentsAsync(1, Orders);
        (await Should.ThrowAsync<NodeRemovedException>(cutOff.Pipeline.Completion.WaitAsync(TimeSpan.FromSeconds(60)))).Message.ShouldContain("start it again");
        await cluster.BalancedAsync();
        clock.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(30));

        await cluster.CompletesAsync(Orders);
    }

    private static async Task CutAsync(ActorSystem from, ActorSystem to)
    {
        var transport = ((RemoteActorRefProvider)((ExtendedActorSystem)from).Provider).Transport;
        var address = Akka.Cluster.Cluster.Get(to).SelfAddress;
        (await transport.ManagementCommand(new SetThrottle(address, ThrottleTransportAdapter.Direction.Both, Blackhole.Instance))).ShouldBeTrue();
    }
}
