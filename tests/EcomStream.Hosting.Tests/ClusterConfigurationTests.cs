using Akka.Configuration;

namespace EcomStream.Hosting.Tests;

/// <summary>What a cluster cannot share is refused with what to change.</summary>
public sealed class ClusterConfigurationTests
{
    private const string Cassandra = "ecomstream.store.kind = cassandra";

    [Fact]
    public void The_embedded_store_is_refused() =>
        Problem("ecomstream.pubsub.emulator-host = \"127.0.0.1:8085\"").ShouldContain("ecomstream.store.kind = sqlite: the nodes of a cluster share one store");

    [Fact]
    public void The_embedded_broker_is_refused() => Problem(Cassandra).ShouldContain("ecomstream.broker.embedded = on: the nodes of a cluster share one Pub/Sub");

    [Fact]
    public void A_node_beyond_loopback_without_encryption_is_refused() =>
        Problem($"{Cassandra}\necomstream.broker.embedded = off\necomstream.cluster.hostname = 10.0.0.1").ShouldContain("ecomstream.cluster.tls.enabled");

    [Fact]
    public void With_Cassandra_and_another_broker_the_actor_system_is_one_of_a_cluster()
    {
        var settings = HostSettings.Read(Config($"{Cassandra}\necomstream.broker.embedded = off"), null);

        settings.Config.GetString("akka.actor.provider").ShouldBe("cluster");
    }

    [Fact]
    public void Without_a_cluster_the_actor_system_is_a_local_one() =>
        HostSettings.Read(Akka.Configuration.Config.Empty, null).Config.GetString("akka.actor.provider").ShouldBeNull();

    private static string Problem(string hocon) =>
        ConfigurationCheck.Problems(Config(hocon), null).ShouldHaveSingleItem();

    private static Config Config(string hocon) => ConfigurationFactory.ParseString($"ecomstream.cluster.enabled = on\n{hocon}");
}
