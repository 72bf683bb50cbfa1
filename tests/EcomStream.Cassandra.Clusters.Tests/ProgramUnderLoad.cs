using System.Diagnostics;
using System.Text.RegularExpressions;
using EcomStream.Core;
using EcomStream.EndToEnd.Tests;
using EcomStream.EndToEnd.Tests.Unmatched;
using EcomStream.Host;
using EcomStream.Hosting;
using EcomStream.PubSub;
using EcomStream.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.Cassandra.Clusters.Tests;

/// <summary>The program, which writes orders and payments at a steady rate while a test disturbs the cluster.</summary>
internal sealed partial class ProgramUnderLoad
{
    // Orders per second, each with its payment. The nodes run on the same machine, which a higher rate would overload.
    private const int Rate = 300;

    private readonly EcomStreamProcess _process;

    private ProgramUnderLoad(EcomStreamProcess process) => _process = process;

    // From its log.
    private long PaymentsWritten => WrittenInLog().Matches(_process.Output) is { Count: > 0 } matches ? long.Parse(matches[^1].Groups[1].Value) : 0;

    /// <summary>Runs it while the cluster is disturbed, and checks that nothing is lost, dead-lettered or unacked.</summary>
    /// <param name="endpoint">The first node.</param>
    /// <param name="replicas">Copies of each row.</param>
    /// <param name="disturb">Disturbs the cluster.</param>
    public static async Task RunAsync(string endpoint, int replicas, Func<ProgramUnderLoad, Task> disturb)
    {
        using var place = new Workplace();
        var keyspace = $"nodes_{Guid.NewGuid():n}"[..16];
        string[] store =
        [
            "--set", "ecomstream.store.kind=cassandra",
            "--set", $"ecomstream.store.cassandra.contact-points=[\"{endpoint}\"]",
            "--set", "ecomstream.store.cassandra.username=admin",
            "--set", "ecomstream.store.cassandra.password=admin",
            "--set", $"ecomstream.store.cassandra.keyspace={keyspace}",
            "--set", $"ecomstream.store.cassandra.replication={{'class': 'SimpleStrategy', 'replication_factor': {replicas}}}",
        ];
        using var process = EcomStreamProcess.Start([.. place.Run(), .. store, "--set", "ecomstream.status-interval=250ms", "--until-idle", "10s"]);
        await process.JoinsAsync();
        using var stop = new CancellationTokenSource();
        var publishing = PublishAsync(place.Endpoint, stop.Token);
        var program = new ProgramUnderLoad(process);
        await Eventually.True(() => program.PaymentsWritten > 2 * Rate, "rows are written", TimeSpan.FromSeconds(60));

        await disturb(program);
        process.HasExited.ShouldBeFalse(process.Output);
        await stop.CancelAsync();
        var orders = (int)await publishing;
        orders.ShouldBeGreaterThan(10 * Rate);
        (await process.ExitCodeAsync(TimeSpan.FromMinutes(5))).ShouldBe(0, process.Output);

        await using var written = new CassandraFactStore(new CassandraSettings
        {
            ContactPoints = [endpoint], Username = "admin", Password = "admin", Keyspace = keyspace,
        });
        await written.InitializeAsync(default);
        (await CompleteAsync(written, orders)).ShouldBe(orders, process.Output);
        await foreach (var row in written.ListUnmatchedAsync(new UnmatchedQuery { States = [UnmatchedState.DeadLettered] }, default))
        {
            Assert.Fail($"{row.Id} was dead-lettered: {row.Detail}");
        }

        (await place.BacklogAsync("orders_data-sub")).ShouldBe(0);
        (await place.BacklogAsync("payments_data-sub")).ShouldBe(0);
    }

    /// <summary>
    /// The longest time in which no payment was written while <paramref name="action"/> ran. There is always something to
    /// write: messages are published all the time.
    /// </summary>
    public async Task<TimeSpan> LongestStallAsync(Func<Task> action)
    {
        var (longest, since, before) = (TimeSpan.Zero, Stopwatch.StartNew(), PaymentsWritten);
        var acting = action();
        while (!acting.IsCompleted)
        {
            await Task.Delay(100);
            longest = since.Elapsed > longest ? since.Elapsed : longest;
            if (PaymentsWritten is var now && now > before)
            {
                before = now;
                since.Restart();
            }
        }

        await acting;
        return longest;
    }

    // Reading is tried again: the nodes may be busy with hints.
    private static async Task<int> CompleteAsync(CassandraFactStore written, int orders)
    {
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                return await StoreUnderTest.CompleteAsync(written, orders);
            }
            catch (StoreUnavailableException) when (attempt < 20)
            {
            }
        }
    }

    // Publishes orders and their payments at a steady rate until it is stopped; returns the number of orders.
    private static async Task<long> PublishAsync(string endpoint, CancellationToken stop)
    {
        using var connection = PubSubConnection.Create(PubSubSettings.Read(HostSettings.Reference, endpoint), NullLoggerFactory.Instance);
        await using var publisher = new PubSubPublisher(connection);
        var producer = new Producer(publisher, "orders_data", "payments_data");
        var shop = new Simulator(new SimulatorOptions { Orders = 1_000_000, Payments = 1_000_000, Sequence = ProduceSequence.Interleaved });
        try
        {
            await producer.RunAsync(shop.Messages(), 2 * Rate, stop);
        }
        catch (OperationCanceledException)
        {
            // Between two batches, each of orders with their payments.
        }

        producer.PublishedPayments.ShouldBe(producer.PublishedOrders);
        return producer.PublishedOrders;
    }

    [GeneratedRegex(@", (\d+) payments written,")]
    private static partial Regex WrittenInLog();
}
