namespace EcomStream.Cassandra.Clusters.Tests;

/// <summary>The only node dies and comes back while the program writes.</summary>
[Collection(SingleNodeCollection.Name)]
public sealed class OnlyNodeFailureTests
{
    [SkippableFact]
    public async Task With_the_only_node_dead_for_30_seconds_nothing_is_lost_and_work_resumes_by_itself()
    {
        var (endpoint, _) = await CassandraClusters.UpAsync("single");
        await ProgramUnderLoad.RunAsync(endpoint, replicas: 1, async _ =>
        {
            await CassandraClusters.KillAsync(1);
            await Task.Delay(TimeSpan.FromSeconds(30));
            await CassandraClusters.StartAsync(1);
        });
    }
}
