using EcomStream.Cassandra;
using EcomStream.Core;
using EcomStream.TestSupport;

namespace EcomStream.EndToEnd.Tests;

/// <summary>The program on Google's emulator and a real Cassandra.</summary>
public sealed class CassandraTests
{
    private const string EmulatorVariable = "ECOMSTREAM_TEST_PUBSUB_EMULATOR";
    private const string CassandraVariable = "ECOMSTREAM_TEST_CASSANDRA";
    private const int Orders = 2_000;
    private const int Payments = 2_200;

    [SkippableFact]
    public async Task The_shops_cycle_runs_on_Googles_emulator_and_a_real_Cassandra()
    {
        var emulator = Environment.GetEnvironmentVariable(EmulatorVariable);
        var cassandra = Environment.GetEnvironmentVariable(CassandraVariable);
        Skip.If(
            string.IsNullOrEmpty(emulator) || string.IsNullOrEmpty(cassandra),
            $"needs Google's Pub/Sub emulator and Apache Cassandra with the role admin/admin: start them and set {EmulatorVariable} and {CassandraVariable} to host:port");
        var keyspace = $"e2e_{Guid.NewGuid():n}"[..16];
        string[] settings =
        [
            "--config", "hocon/emulator.conf",
            "--set", $"ecomstream.pubsub.project-id={keyspace.Replace('_', '-')}",
            "--set", $"ecomstream.store.cassandra.keyspace={keyspace}",
            "--set", $"ecomstream.store.cassandra.contact-points={cassandra}",
        ];
        var environment = new Dictionary<string, string> { ["PUBSUB_EMULATOR_HOST"] = emulator! };

        using var run = EcomStreamProcess.Start(
            environment, ["run", .. settings, "--set", "ecomstream.unmatched.grace=1s", "--until-idle", "5s"]);
        await Eventually.True(() => run.Output.Contains("Joining", StringComparison.Ordinal), "the pipeline joins", TimeSpan.FromSeconds(60));
        using var produce = EcomStreamProcess.Start(
            environment, ["produce", "--orders", $"{Orders}", "--payments", $"{Payments}", "--sequence", "PaymentsFirst", .. settings]);
        (await produce.ExitCodeAsync(TimeSpan.FromSeconds(60))).ShouldBe(0, produce.Output);
        (await run.ExitCodeAsync(TimeSpan.FromSeconds(120))).ShouldBe(0, run.Output);

        await using var store = new CassandraFactStore(new CassandraSettings
        {
            ContactPoints = [cassandra!], Username = "admin", Password = "admin", Keyspace = keyspace,
        });
        await store.InitializeAsync(default);
        var rows = await store.ReadAsync([.. Enumerable.Range(1, Payments).Select(id => (long)id)], default);
        rows.Take(Orders).Count(row => row?.Order is not null && row.Payment?.PaymentId == row.OrderId + 1_000).ShouldBe(Orders, run.Output);
        rows.Skip(Orders).Count(row => row is not null).ShouldBe(0);
        var unmatched = new List<UnmatchedPayment>();
        await foreach (var row in store.ListUnmatchedAsync(new UnmatchedQuery(), default))
        {
            unmatched.Add(row);
        }

        unmatched.Count(row => row.State == UnmatchedState.DeadLettered).ShouldBe(Payments - Orders);
        unmatched.ShouldAllBe(row => row.State == UnmatchedState.DeadLettered || row.State == UnmatchedState.Healed);
    }
}
