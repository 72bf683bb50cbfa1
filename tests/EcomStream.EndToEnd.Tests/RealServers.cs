namespace EcomStream.EndToEnd.Tests;

/// <summary>Google's emulator and a real Cassandra for one test, which has a project and a keyspace of its own there.</summary>
/// <param name="Keyspace">The keyspace.</param>
/// <param name="Settings">Arguments of a command.</param>
/// <param name="Environment">Variables of its process.</param>
internal sealed record RealServers(string Keyspace, string[] Settings, Dictionary<string, string> Environment)
{
    private const string EmulatorVariable = "ECOMSTREAM_TEST_PUBSUB_EMULATOR";
    private const string CassandraVariable = "ECOMSTREAM_TEST_CASSANDRA";

    /// <summary>The project.</summary>
    public string Project => Keyspace.Replace('_', '-');

    /// <summary>host:port of Cassandra.</summary>
    public static string Cassandra => System.Environment.GetEnvironmentVariable(CassandraVariable)!;

    /// <summary>Skip reason of tests that need only Cassandra.</summary>
    public static string WhyNoCassandra => $"needs Apache Cassandra with the role admin/admin: start one and set {CassandraVariable}=host:port";

    /// <summary>Skips the test where one of them does not run.</summary>
    public static RealServers Require()
    {
        var emulator = System.Environment.GetEnvironmentVariable(EmulatorVariable);
        Skip.If(
            string.IsNullOrEmpty(emulator) || string.IsNullOrEmpty(Cassandra),
            $"needs Google's Pub/Sub emulator and Apache Cassandra with the role admin/admin: start them and set {EmulatorVariable} and {CassandraVariable} to host:port");
        var keyspace = $"e2e_{Guid.NewGuid():n}"[..16];
        return new RealServers(
            keyspace,
            [
                "--config", "hocon/emulator.conf",
                "--set", $"ecomstream.pubsub.project-id={keyspace.Replace('_', '-')}",
                "--set", $"ecomstream.store.cassandra.keyspace={keyspace}",
                "--set", $"ecomstream.store.cassandra.contact-points={Cassandra}",
            ],
            new() { ["PUBSUB_EMULATOR_HOST"] = emulator! });
    }
}
