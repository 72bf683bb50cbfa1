using System.Diagnostics;
using System.Globalization;
using Akka.Configuration;
using EcomStream.Cassandra;
using EcomStream.Cql;
using EcomStream.Core;
using EcomStream.Host;
using EcomStream.Hosting;
using Microsoft.Extensions.Logging;

namespace EcomStream.Benchmarks;

/// <summary>
/// A real Cassandra at a given host:port, as admin/admin: how fast the client inserts, and the whole run from the embedded
/// broker into it.
/// </summary>
internal static class CassandraScenario
{
    // The Java driver's side of the comparison has the same: cassandra-java/Inserts.java.
    private const int Rows = 200_000;
    private const int CallRows = 2_000;
    private const int CallsInFlight = 4;

    /// <summary>Inserts orders, one row per request or in unlogged batches, and prints rows per second and the client's CPU.</summary>
    /// <param name="endpoint">host:port.</param>
    /// <param name="batchRows">Rows of a batch; 1 for single inserts.</param>
    /// <param name="kind">Which client.</param>
    public static async Task<double> InsertAsync(string endpoint, int batchRows, ClientKind kind = ClientKind.Native)
    {
        var settings = Settings(endpoint) with
        {
            Keyspace = "ecomstream_bench",
            BatchRows = batchRows,
            BatchBytes = 1 << 16,
            RewriteWindow = TimeSpan.Zero,
            Consistency = Consistency.One,
        };
        await using var store = Clients.Store(kind, settings);
        await store.InitializeAsync(CancellationToken.None);
        using var inFlight = new SemaphoreSlim(CallsInFlight);
        using var self = Process.GetCurrentProcess();
        var (cpu, allocated) = (self.TotalProcessorTime, GC.GetTotalAllocatedBytes());
        var clock = Stopwatch.StartNew();
        var calls = new List<Task>();
        for (var first = 1; first <= Rows; first += CallRows)
        {
            await inFlight.WaitAsync();
            calls.Add(Send([.. Enumerable.Range(first, CallRows).Select(Write)]));
        }

        await Task.WhenAll(calls);
        clock.Stop();
        self.Refresh();
        var cpuPerRow = (self.TotalProcessorTime - cpu).TotalMicroseconds / Rows;
        var rate = Rows / clock.Elapsed.TotalSeconds;
        Console.WriteLine(string.Create(
            CultureInfo.InvariantCulture,
            $"  {kind,-8} {(batchRows == 1 ? "single inserts" : $"batches of {batchRows}")}: {rate,8:N0} rows/s   {cpuPerRow:0.0} us of client CPU and {(GC.GetTotalAllocatedBytes() - allocated) / Rows:N0} bytes allocated per row"));
        return rate;

        async Task Send(FactWrite[] call)
        {
            await store.WriteAsync(call, CancellationToken.None);
            inFlight.Release();
        }
    }

    /// <summary>Inserts with the native and with the official client, in turns.</summary>
    public static async Task CompareClientsAsync(string endpoint, int runs, int batchRows)
    {
        var rates = new Dictionary<ClientKind, List<double>> { [ClientKind.Native] = [], [ClientKind.Official] = [] };
        for (var run = 0; run <= runs; run++)
        {
            foreach (var (kind, measured) in rates)
            {
                var rate = await InsertAsync(endpoint, batchRows, kind);
                if (run > 0)
                {
                    measured.Add(rate);
                }
            }

            if (run == 0)
            {
                Console.WriteLine("  (that was the warm-up)");
            }
        }

        foreach (var (kind, measured) in rates)
        {
            measured.Sort();
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"median {measured[runs / 2]:N0} rows/s (least {measured[0]:N0}, most {measured[^1]:N0}, {runs} runs) with the {kind} client on {Environment.ProcessorCount} cores"));
        }
    }

    /// <summary>The whole run: embedded broker, gRPC, join, Cassandra, acks; prints how many writes an order cost.</summary>
    public static async Task<double> RunAsync(string endpoint, int orders, string hocon)
    {
        var keyspace = $"bench_{Guid.NewGuid():n}"[..16];
        var folder = Path.Combine(Path.GetTempPath(), $"ecomstream-bench-{Guid.NewGuid():n}");
        var settings = HostSettings.Read(
            ConfigurationFactory.ParseString($$"""
                ecomstream {
                  data-dir = "{{folder}}", broker.port = 0
                  store { kind = cassandra, cassandra { contact-points = ["{{endpoint}}"], username = admin, password = admin, keyspace = {{keyspace}}, replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}" } }
                }
                {{hocon}}
                """),
            emulatorHost: null);
        try
        {
            await EmbeddedScenario.PublishAsync(settings, orders);
            using var counters = new PipelineCounters();
            using var self = Process.GetCurrentProcess();
            var cpu = self.TotalProcessorTime;
            var clock = Stopwatch.StartNew();
            await using (var process = await JoinProcess.StartAsync(settings, logging => logging.SetMinimumLevel(LogLevel.Error), CancellationToken.None))
            {
                await process.Pipeline.Started;
                await EmbeddedScenario.UntilDrained(process, settings);
                clock.Stop();
                self.Refresh();
                cpu = self.TotalProcessorTime - cpu;
            }

            await CheckAsync(endpoint, keyspace, orders);
            var rate = orders / clock.Elapsed.TotalSeconds;
            Console.WriteLine(string.Create(
                CultureInfo.InvariantCulture,
                $"  {rate,8:N0} orders/s   {clock.Elapsed.TotalSeconds:0.0} s   {(double)counters.Written / orders:0.00} row writes per order   {cpu.TotalMicroseconds / orders:0.0} us of EcomStream's CPU per order"));
            return rate;
        }
        finally
        {
            Directory.Delete(folder, recursive: true);
        }
    }

    private static async Task CheckAsync(string endpoint, string keyspace, int orders)
    {
        await using var store = new CassandraFactStore(Settings(endpoint) with { Keyspace = keyspace });
        await store.InitializeAsync(CancellationToken.None);
        var complete = 0;
        foreach (var ids in Enumerable.Range(1, orders).Select(id => (long)id).Chunk(5_000))
        {
            complete += (await store.ReadAsync(ids, CancellationToken.None)).Count(row => row?.Order is not null && row.Payment?.PaymentId == row.OrderId + 1_000);
        }

        if (complete != orders)
        {
            throw new InvalidOperationException($"{complete} complete rows of {orders}");
        }
    }

    private static CassandraSettings Settings(string endpoint) => new() { ContactPoints = [endpoint], Username = "admin", Password = "admin", Replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}" };

    private static FactWrite Write(int id) => new()
    {
        OrderId = id,
        Order = new Order
        {
            OrderId = id,
            CustomerId = id % 1_000,
            Item = "Laptop",
            Quantity = 1 + (id % 5),
            Price = 99.5,
            ShippingAddress = "123 Main St, City A, Country",
            OrderStatus = "Shipped",
            CreationDate = "2024-01-21",
        },
        OrderStamp = new Stamp(1_700_000_000_000_000 + id),
    };
}
