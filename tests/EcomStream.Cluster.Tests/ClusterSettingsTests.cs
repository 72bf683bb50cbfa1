using Akka.Configuration;

namespace EcomStream.Cluster.Tests;

/// <summary>The settings of a cluster: what would be unsafe or cannot work is refused with what to do.</summary>
public sealed class ClusterSettingsTests
{
    [Fact]
    public void By_default_there_is_no_cluster() => ClusterSettings.Read(Config.Empty).Enabled.ShouldBeFalse();

    [Fact]
    public void The_reference_can_be_read_as_it_is() => ClusterSettings.Read(ClusterSettings.Reference).Enabled.ShouldBeFalse();

    [Theory]
    [InlineData("hostname = 10.0.0.1", "ecomstream.cluster.tls.enabled")]
    [InlineData("seed-nodes = [nowhere]", "ecomstream.cluster.seed-nodes = nowhere")]
    [InlineData("discovery = gossip", "off, config, dns, kubernetes")]
    [InlineData("discovery = config", "ecomstream.cluster.contact-points is empty")]
    [InlineData("discovery = dns\nseed-nodes = [\"127.0.0.1:4053\"]", "not both")]
    [InlineData("split-brain-strategy = lease-majority", "ecomstream.cluster.lease-implementation is empty")]
    [InlineData("stable-after = 100ms", "ecomstream.cluster.stable-after")]
    public void A_setting_that_cannot_work_is_named(string hocon, string named) =>
        Should.Throw<ConfigurationException>(() => Read(hocon)).Message.ShouldContain(named);

    [Fact]
    public void Seed_nodes_may_be_given_as_one_text() =>
        Read("seed-nodes = \"127.0.0.1:4051, 127.0.0.1:4052\"").SeedNodes.ShouldBe(["127.0.0.1:4051", "127.0.0.1:4052"]);

    [Fact]
    public void The_configuration_of_Akka_has_the_addresses_and_the_resolver()
    {
        var akka = Read("seed-nodes = [\"127.0.0.1:4051\"]\npublic-hostname = shop.example\nstable-after = 4s").ToAkka();

        akka.GetStringList("akka.cluster.seed-nodes").ShouldBe(["akka.tcp://ecomstream@127.0.0.1:4051"]);
        akka.GetString("akka.remote.dot-netty.tcp.public-hostname").ShouldBe("shop.example");
        akka.GetString("akka.cluster.split-brain-resolver.active-strategy").ShouldBe("keep-majority");
        akka.GetTimeSpan("akka.cluster.split-brain-resolver.stable-after").ShouldBe(TimeSpan.FromSeconds(4));
        akka.GetString("akka.actor.provider").ShouldBe("cluster");
    }

    // A node that dies while it hands a shard over keeps the shard for as long as the coordinator waits for it; a shard that stops
    // needs less.
    [Fact]
    public void A_hand_over_times_out_after_a_shard_has_stopped_and_before_a_take_over_takes_ten_seconds() =>
        Read("").ToAkka().GetTimeSpan("akka.cluster.sharding.handoff-timeout")
            .ShouldBeInRange(OrderShard.LongestStop + TimeSpan.FromMilliseconds(500), TimeSpan.FromSeconds(9));

    // Akka.Remote does not notice that a connection is closed while it waits for the first answer.
    [Fact]
    public void A_connection_that_is_not_answered_is_given_up_before_its_node_counts_as_unreachable_for_long() =>
        Read("").ToAkka().GetTimeSpan("akka.remote.dot-netty.tcp.connection-timeout").ShouldBeLessThanOrEqualTo(Read("").AcceptablePause);

    private static ClusterSettings Read(string hocon) =>
        ClusterSettings.Read(ConfigurationFactory.ParseString($"ecomstream.cluster {{ enabled = on\n{hocon}\n}}"));
}
