using EcomStream.EndToEnd.Tests;

namespace EcomStream.Cassandra.Clusters.Tests;

/// <summary><c>ecomstream schema print|apply|check</c>, as an operator runs them.</summary>
[Collection(SingleNodeCollection.Name)]
public sealed class SchemaCommandTests
{
    [Theory]
    [InlineData("consistency=any", "must be one, two")]
    [InlineData("consistency=serial", "must be one, two")]
    [InlineData("consistency=6", "must be one, two")]
    [InlineData("consistency=nearly-all", "must be one, two")]
    [InlineData("contact-points=db:99999", "'99999' is not a port")]
    [InlineData("finished-ttl=7301d", "7300d")]
    [InlineData("finished-ttl=500ms", "1s to")]
    [InlineData("rewrite-bytes=0", "such as 512MiB")]
    public async Task A_setting_that_Cassandra_does_not_take_is_one_line_and_exit_code_3(string setting, string why)
    {
        using var process = EcomStreamProcess.Start("config", "check", "--set", $"ecomstream.store.cassandra.{setting}");
        (await process.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(3, process.Output);
        process.Output.Trim().Split('\n').ShouldHaveSingleItem().ShouldContain(why);
        process.Output.ShouldContain($"ecomstream.store.cassandra.{setting.Split('=')[0]}");
    }

    [SkippableFact]
    public async Task The_schema_is_printed_applied_and_checked_and_the_exit_code_says_whether_anything_differs()
    {
        var (endpoint, _) = await CassandraClusters.UpAsync("single");
        var keyspace = $"schema_{Guid.NewGuid():n}"[..16];

        (await RunAsync(0, "print")).ShouldContain($"CREATE KEYSPACE IF NOT EXISTS {keyspace}");
        (await RunAsync(3, "check")).ShouldContain($"the keyspace {keyspace} is missing");
        (await RunAsync(0, "apply")).ShouldContain("has no differences");
        (await RunAsync(0, "check")).ShouldContain("has no differences");
        (await RunAsync(3, "check", "--replication", "{'class': 'SimpleStrategy', 'replication_factor': 3}"))
            .ShouldContain($"the keyspace {keyspace} has the replication {{'class': 'SimpleStrategy', 'replication_factor': '1'}}");
        (await RunAsync(2, "check", "--set", "ecomstream.store.cassandra.password=wrong")).ShouldContain("username and password");

        async Task<string> RunAsync(int exitCode, string command, params string[] more)
        {
            using var process = EcomStreamProcess.Start(
            [
                "schema", command,
                "--set", $"ecomstream.store.cassandra.contact-points=[\"{endpoint}\"]",
                "--set", "ecomstream.store.cassandra.username=admin",
                "--set", "ecomstream.store.cassandra.password=admin",
                "--set", $"ecomstream.store.cassandra.keyspace={keyspace}",
                "--set", "ecomstream.store.cassandra.replication={'class': 'SimpleStrategy', 'replication_factor': 1}",
                .. more,
            ]);
            (await process.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(exitCode, process.Output);
            return process.Output;
        }
    }
}
