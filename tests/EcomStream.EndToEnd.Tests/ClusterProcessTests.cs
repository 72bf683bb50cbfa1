using System.Diagnostics;
using EcomStream.Cassandra;
using EcomStream.Core;
using EcomStream.TestSupport;

namespace EcomStream.EndToEnd.Tests;

/// <summary>Three processes as one cluster on a real Cassandra, of which every one is destroyed in another way under load.</summary>
[Collection(AloneCollection.Name)]
public sealed class ClusterProcessTests : IDisposable
{
    private const string CassandraVariable = "ECOMSTREAM_TEST_CASSANDRA";
    private const int Orders = 40_000;
    private const int Rate = 2_000;

    private readonly Workplace _workplace = new();
    private readonly int[] _ports = [EcomStreamProcess.FreePort(), EcomStreamProcess.FreePort(), EcomStreamProcess.FreePort()];
    private readonly string _keyspace = $"cluster_{Guid.NewGuid():n}"[..20];
    private readonly List<EcomStreamProcess> _processes = [];

    [SkippableFact]
    public async Task Nodes_that_are_killed_frozen_and_stopped_under_load_lose_nothing_and_make_no_false_dead_letter()
    {
        Skip.If(
            string.IsNullOrEmpty(Environment.GetEnvironmentVariable(CassandraVariable)),
            $"needs Apache Cassandra with the role admin/admin: start it and set {CassandraVariable} to host:port");
        var broker = Start("broker", "--data", _workplace.Folder, "--set", $"ecomstream.broker.port={_workplace.Port}");
        await Eventually.True(() => broker.Output.Contains("listens on", StringComparison.Ordinal), "the broker listens", TimeSpan.FromSeconds(60));
        var nodes = new EcomStreamProcess[3];
        for (var n = 0; n < nodes.Length; n++)
        {
            nodes[n] = await NodeAsync(n);
        }

        var produce = Start(_workplace.Produce("--orders", $"{Orders}", "--payments", $"{Orders}", "--sequence", "interleaved", "--rate", $"{2 * Rate}"));

        // The first node is the oldest: it also runs the coordinator of the shards.
        await Task.Delay(TimeSpan.FromSeconds(3));
        await nodes[0].KillAsync();
        nodes[0] = await NodeAsync(0);
        await SignalAsync(nodes[1], "STOP");
        await Task.Delay(TimeSpan.FromSeconds(15));
        await SignalAsync(nodes[1], "CONT");
        (await nodes[1].ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(1, nodes[1].Output);
        nodes[1].Output.ShouldContain("This node was removed from the cluster");
        nodes[1] = await NodeAsync(1);
        await nodes[2].TerminateAsync();
        (await nodes[2].ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, nodes[2].Output);
        (await produce.ExitCodeAsync(TimeSpan.FromMinutes(2))).ShouldBe(0, produce.Output);

        await using var store = await OpenAsync();
        await Eventually.True(
            async () => await Unmatched.StoreUnderTest.CompleteAsync(store, Orders) == Orders, "every order has its payment", TimeSpan.FromMinutes(4));
        var unmatched = await Unmatched.StoreUnderTest.UnmatchedAsync(store);
        unmatched.Where(row => row.State != UnmatchedState.Healed).ShouldBeEmpty();
        unmatched.ShouldAllBe(row => !row.History.Contains("dead-lettered", StringComparison.Ordinal));
        foreach (var n in (int[])[0, 1])
        {
            await nodes[n].TerminateAsync();
            (await nodes[n].ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, nodes[n].Output);
        }

        await broker.TerminateAsync();
        await broker.ExitCodeAsync(TimeSpan.FromSeconds(30));
        (await _workplace.BacklogAsync("orders_data-sub")).ShouldBe(0);
        (await _workplace.BacklogAsync("payments_data-sub")).ShouldBe(0);
        (await _workplace.BacklogAsync("dlq_payments_data-sub")).ShouldBe(0);
    }

    public void Dispose()
    {
        foreach (var process in _processes)
        {
            process.Dispose();
        }

        _workplace.Dispose();
    }

    private static async Task SignalAsync(EcomStreamProcess process, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"])!;
        await kill.WaitForExitAsync();
    }

    private EcomStreamProcess Start(params string[] arguments)
    {
        var process = EcomStreamProcess.Start(arguments);
        _processes.Add(process);
        return process;
    }

    private async Task<EcomStreamProcess> NodeAsync(int n)
    {
        var node = Start(
            "run", "--config", "hocon/cluster.conf",
            "--set", $"ecomstream.cluster.port={_ports[n]}",
            "--set", $"ecomstream.cluster.seed-nodes={string.Join(",", _ports.Select(port => $"127.0.0.1:{port}"))}",
            "--set", $"ecomstream.pubsub.emulator-host={_workplace.Endpoint}",
            "--set", "ecomstream.pubsub.subscriber.ack-deadline=10s",
            "--set", "ecomstream.pubsub.subscriber.max-ack-deadline=10s",
            "--set", $"ecomstream.store.cassandra.contact-points={Environment.GetEnvironmentVariable(CassandraVariable)}",
            "--set", $"ecomstream.store.cassandra.keyspace={_keyspace}",
            "--set", "ecomstream.store.cassandra.username=admin",
            "--set", "ecomstream.store.cassandra.password=admin",
            "--set", "ecomstream.store.cassandra.replication={'class': 'SimpleStrategy', 'replication_factor': 1}",
            "--set", "ecomstream.unmatched.grace=3s");
        await node.JoinsAsync();
        return node;
    }

    private async Task<CassandraFactStore> OpenAsync()
    {
        var store = new CassandraFactStore(new CassandraSettings
        {
            ContactPoints = [Environment.GetEnvironmentVariable(CassandraVariable)!], Username = "admin", Password = "admin", Keyspace = _keyspace,
        });
        await store.InitializeAsync(default);
        return store;
    }
}
