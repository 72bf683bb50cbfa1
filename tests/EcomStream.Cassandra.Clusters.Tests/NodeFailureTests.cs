using System.Diagnostics;
using System.Text.RegularExpressions;
using EcomStream.Core;
using EcomStream.Cql;
using EcomStream.EndToEnd.Tests;
using EcomStream.EndToEnd.Tests.Unmatched;
using EcomStream.Host;
using EcomStream.Hosting;
using EcomStream.PubSub;
using EcomStream.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.Cassandra.Clusters.Tests;

/// <summary>Nodes die and come back while the program writes.</summary>
[Collection(ClustersCollection.Name)]
public sealed partial class NodeFailureTests
{
    // Orders per second, each with its payment; less than two busy cores manage beside three nodes.
    private const int Rate = 1_000;

    // The machine of a killed process closes its connections at once, and what was under way on them is sent again. Only
    // what another node coordinates, and waits for the dead one with, is left to its timeout. A node that is silent
    // instead is in SilentNodeTests.
    private static readonly TimeSpan FailureDetection = new CassandraSettings().RequestTimeout;

    [SkippableFact]
    public async Task With_the_only_node_dead_for_30_seconds_nothing_is_lost_and_work_resumes_by_itself()
    {
        var (endpoint, _) = await CassandraClusters.UpAsync("single");
        await Run(endpoint, replicas: 1, async () =>
        {
            await CassandraClusters.KillAsync(1);
            await Task.Delay(TimeSpan.FromSeconds(30));
            await CassandraClusters.StartAsync(1);
        });
    }

    [SkippableFact]
    public async Task On_a_ring_of_three_any_node_may_die_and_come_back_and_writes_stall_for_less_than_a_request_may_take()
    {
        var (endpoint, _) = await CassandraClusters.UpAsync("ring");
        var longest = await Run(endpoint, replicas: 3, async () =>
        {
            for (var node = 1; node <= 3; node++)
            {
                await CassandraClusters.KillAsync(node);
                await Task.Delay(TimeSpan.FromSeconds(8));
                await CassandraClusters.StartAsync(node);
                await Task.Delay(TimeSpan.FromSeconds(8));
            }
        });
        longest.ShouldBeLessThan(FailureDetection);
    }

    [SkippableFact]
    public async Task On_a_ring_of_three_a_node_may_freeze_longer_than_a_request_may_take_and_nothing_is_lost()
    {
        var (endpoint, _) = await CassandraClusters.UpAsync("ring");
        await Run(endpoint, replicas: 3, async () =>
        {
            await CassandraClusters.FreezeAsync(2);
            try
            {
                await Task.Delay(FailureDetection + TimeSpan.FromSeconds(8));
            }
            finally
            {
                await CassandraClusters.ThawAsync(2);
            }

            await Task.Delay(TimeSpan.FromSeconds(10));
        });
    }

    // Orders and payments at a steady rate, while something happens to the cluster; the longest time without a row.
    private static async Task<TimeSpan> Run(string endpoint, int replicas, Func<Task> disturb)
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
        using var run = EcomStreamProcess.Start([.. place.Run(), .. store, "--set", "ecomstream.status-interval=250ms", "--until-idle", "10s"]);
        await run.JoinsAsync();
        using var stop = new CancellationTokenSource();
        var publishing = PublishAsync(place.Endpoint, stop.Token);
        await Eventually.True(() => Joined(run) > 2 * Rate, "rows are written", TimeSpan.FromSeconds(60));

        var longest = LongestStall(run, stop.Token);
        await disturb();
        run.HasExited.ShouldBeFalse(run.Output);
        await stop.CancelAsync();
        var orders = (int)await publishing;
        orders.ShouldBeGreaterThan(10 * Rate);
        (await run.ExitCodeAsync(TimeSpan.FromMinutes(5))).ShouldBe(0, run.Output);

        await using var written = new CassandraFactStore(new CassandraSettings
        {
            ContactPoints = [endpoint], Username = "admin", Password = "admin", Keyspace = keyspace,
        });
        await written.InitializeAsync(default);
        (await CompleteAsync(written, orders)).ShouldBe(orders, run.Output);
        await foreach (var row in written.ListUnmatchedAsync(new UnmatchedQuery { States = [UnmatchedState.DeadLettered] }, default))
        {
            Assert.Fail($"{row.Id} was dead-lettered: {row.Detail}");
        }

        (await place.BacklogAsync("orders_data-sub")).ShouldBe(0);
        (await place.BacklogAsync("payments_data-sub")).ShouldBe(0);
        return await longest;
    }

    // It only looks: the nodes may be busy with what they missed.
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

    // Orders and their payments at a steady rate until it is stopped; how many there were.
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

    // While messages are published there is always something to write.
    private static async Task<TimeSpan> LongestStall(EcomStreamProcess run, CancellationToken stop)
    {
        var (longest, clock, before) = (TimeSpan.Zero, Stopwatch.StartNew(), 0L);
        while (!stop.IsCancellationRequested)
        {
            await Task.Delay(100, CancellationToken.None);
            var joined = Joined(run);
            if (joined > before)
            {
                before = joined;
                clock.Restart();
            }

            longest = clock.Elapsed > longest ? clock.Elapsed : longest;
        }

        return longest;
    }

    private static long Joined(EcomStreamProcess run) =>
        JoinedInLog().Matches(run.Output) is { Count: > 0 } matches ? long.Parse(matches[^1].Groups[1].Value) : 0;

    [GeneratedRegex(@", (\d+) payments joined,")]
    private static partial Regex JoinedInLog();
}
