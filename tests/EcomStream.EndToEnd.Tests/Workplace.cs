using EcomStream.Core;
using EcomStream.PubSub.Broker;
using EcomStream.Sqlite;
using Microsoft.Data.Sqlite;

namespace EcomStream.EndToEnd.Tests;

/// <summary>The folder of one test: what the process leaves in it is looked at with other programs' means.</summary>
internal sealed class Workplace : IDisposable
{
    /// <summary>
    /// For a run that is to end when what is or will be published is through: on a busy machine the publishing process takes its
    /// time to start, and the first message to arrive.
    /// </summary>
    public const string Idle = "6s";

    public Workplace() => Directory.CreateDirectory(Folder);

    public string Folder { get; } = Path.Combine(Path.GetTempPath(), $"ecomstream-test-{Guid.NewGuid():n}");

    public string Database => Path.Combine(Folder, "ecomstream.db");

    public int Port { get; } = EcomStreamProcess.FreePort();

    public string Endpoint => $"127.0.0.1:{Port}";

    public string[] Run(params string[] more) =>
        ["run", "--config", "hocon/embedded.conf", "--data", Folder, "--set", $"ecomstream.broker.port={Port}", .. more];

    public string[] Produce(params string[] more) =>
        ["produce", "--set", $"ecomstream.pubsub.emulator-host={Endpoint}", .. more];

    public long Count(string sql)
    {
        using var connection = new SqliteConnection($"Data Source={Database};Mode=ReadOnly;Pooling=False");
        connection.Open();
        using var command = connection.CreateCommand();
        command.CommandText = sql;
        return (long)command.ExecuteScalar()!;
    }

    /// <summary>Whether the tables are there yet.</summary>
    public long CountOrZero(string sql) => File.Exists(Database) ? Count(sql) : 0;

    /// <summary>Complete and right rows: the payment of an order has its number plus 1000.</summary>
    public long CompleteRows => Count(
        "SELECT count(*) FROM orders_payments_facts WHERE customer_id IS NOT NULL AND payment_id = order_id + 1000");

    public long Rows => Count("SELECT count(*) FROM orders_payments_facts");

    public long Unmatched(string state) => Count($"SELECT count(*) FROM unmatched_payments WHERE state = '{state}'");

    /// <summary>What the broker's folder says is not acked, by subscription; the process must have ended.</summary>
    public async Task<long> BacklogAsync(string subscription)
    {
        await using var broker = await EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { DataDirectory = Path.Combine(Folder, "broker") });
        var stats = broker.GetSubscriptionStats($"projects/ecomstream/subscriptions/{subscription}");
        return stats.ShouldNotBeNull().Backlog;
    }

    public void Dispose() => Directory.Delete(Folder, recursive: true);
}
