using EcomStream.Cql;
using Xunit.Abstractions;

namespace EcomStream.Cassandra.Clusters.Tests;

/// <summary>Nodes of a ring die, come back and freeze while the program writes.</summary>
[Collection(RingCollection.Name)]
public sealed class NodeFailureTests(ITestOutputHelper output)
{
    private static readonly TimeSpan _requestTimeout = new CassandraSettings().RequestTimeout;

    [SkippableFact]
    public async Task On_a_ring_of_three_any_node_may_die_and_come_back_and_writes_stall_for_less_than_a_request_may_take()
    {
        var (endpoint, _) = await CassandraClusters.UpAsync("ring");
        await ProgramUnderLoad.RunAsync(endpoint, replicas: 3, async program =>
        {
            for (var node = 1; node <= 3; node++)
            {
                // The machine of a killed process closes its connections at once, and what was under way on them is sent
                // again. A node that is silent instead is in SilentNodeTests.
                var dead = await program.LongestStallAsync(async () =>
                {
                    await CassandraClusters.KillAsync(node);
                    await Task.Delay(TimeSpan.FromSeconds(8));
                });

                // On two cores the start of a node leaves little to the others, which may then be slower than a request may take.
                var starting = await program.LongestStallAsync(async () =>
                {
                    await CassandraClusters.StartAsync(node);
                    await Task.Delay(TimeSpan.FromSeconds(5));
                });
                output.WriteLine($"Node {node}: longest stall {dead.TotalSeconds:0.0} s when it died, {starting.TotalSeconds:0.0} s when it came back.");
                dead.ShouldBeLessThan(_requestTimeout);
                starting.ShouldBeLessThan(2 * _requestTimeout);
            }
        });
    }

    [SkippableFact]
    public async Task On_a_ring_of_three_a_node_may_freeze_longer_than_a_request_may_take_and_nothing_is_lost()
    {
        var (endpoint, _) = await CassandraClusters.UpAsync("ring");
        await ProgramUnderLoad.RunAsync(endpoint, replicas: 3, async _ =>
        {
            await CassandraClusters.FreezeAsync(2);
            try
            {
                await Task.Delay(_requestTimeout + TimeSpan.FromSeconds(8));
            }
            finally
            {
                await CassandraClusters.ThawAsync(2);
            }

            await Task.Delay(TimeSpan.FromSeconds(10));
        });
    }
}
