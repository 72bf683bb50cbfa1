using System.Globalization;
using EcomStream.Benchmarks;
using EcomStream.Hosting;

// Each scenario runs once to warm up, then the given number of times; the median is what the README states.
var runs = args.Length > 1 && args[0] != "broker-topics" ? int.Parse(args[1], CultureInfo.InvariantCulture) : 5;
switch (args.FirstOrDefault())
{
    case "join":
        Console.WriteLine("The join alone: JSON bytes in, facts out, one actor per order, payments 500 orders behind");
        await Measure("messages/s", () => JoinScenario.RunAsync(orders: 1_000_000, outstanding: 4_000));
        return 0;
    case "live-order":
        Console.WriteLine("Heap bytes per live order");

        // Once per process: what an earlier run left to be collected would be counted against the next one.
        await JoinScenario.LiveOrderBytesAsync(orders: 200_000);
        return 0;
    case "embedded":
        Console.WriteLine("The whole embedded run: broker, gRPC, join, SQLite, acks in one process; publishing is not counted");
        await Measure("messages/s", () => EmbeddedScenario.RunAsync(orders: 500_000));
        return 0;
    case "embedded-observed":
        Console.WriteLine("The whole embedded run without and with metrics, an open dashboard and sampled traces, in turns; CPU per message, because it varies less than the throughput of a shared machine");
        await ObservedScenario.CompareAsync(runs, orders: 800_000);
        return 0;
    case "backlog":
        Console.WriteLine("A backlog on the broker and a store that is stopped for a minute");
        await EmbeddedScenario.BacklogAsync(orders: 1_000_000, stopped: TimeSpan.FromSeconds(60));
        return 0;
    case "broker" when args.Length == 3:
        Console.WriteLine("The broker beside another Pub/Sub server, each a process of its own: 1,000,000 messages published in batches of 500 (100,000 orders, ten times over), then a backlog of 200,000 drained with acks through StreamingPull");
        await BrokerScenario.CompareAsync(runs, args[2], published: 1_000_000, drained: 200_000);
        return 0;
    case "broker-publish" when args.Length == 3:
        Console.WriteLine("The publishing of the scenario broker alone");
        await BrokerScenario.CompareAsync(runs, args[2], published: 1_000_000, drained: 0);
        return 0;
    case "broker-in-memory":
        Console.WriteLine("The start of a broker in memory in this process, until it listens: the first one, which loads and compiles the server, then others");
        await BrokerStartScenario.RunAsync(runs);
        return 0;
    case "broker-delivery":
        Console.WriteLine("The broker, a process of its own: 200,000 messages with 2,000 ordering keys drained with acks from a subscription, from one with a filter that all match, and from one with message ordering");
        await BrokerDeliveryScenario.RunAsync(runs, messages: 200_000);
        return 0;
    case "broker-topics":
        Console.WriteLine("The broker, a process of its own with fsync = interval, or another server: 2,000 topics, each with a subscription, created and deleted one after the other");
        await BrokerTopicsScenario.RunAsync(topics: 2_000, args.ElementAtOrDefault(1));
        return 0;
    case "broker-backlog":
        Console.WriteLine("A backlog of 5,000,000 messages on the broker, a process of its own (100,000 orders, fifty times over)");
        await BrokerScenario.BacklogAsync(messages: 5_000_000);
        return 0;
    case "cluster" when args.Length >= 3:
        var sizes = args.Length > 3 ? args[3..].Select(size => int.Parse(size, CultureInfo.InvariantCulture)).ToArray() : [1, 3];
        Console.WriteLine("Clusters of different sizes on the same 200,000 orders and payments, after 100,000 others: the broker and each node are processes, the store is one Cassandra node; the CPU time of the nodes");
        await ClusterScenario.CompareAsync(args[2], runs, sizes, warmUp: 100_000, orders: 200_000);
        return 0;
    case "cassandra-inserts" when args.Length == 4:
        Console.WriteLine("Inserts of orders into one Cassandra node; what the Java driver does is in cassandra-compare.sh");
        await Measure("rows/s", () => CassandraScenario.InsertAsync(args[2], int.Parse(args[3], CultureInfo.InvariantCulture)));
        return 0;
    case "cassandra" when args.Length is 3 or 4:
        Console.WriteLine("The whole run into one Cassandra node on the same machine: broker, gRPC, join, acks; publishing is not counted");
        await Measure("orders/s", () => CassandraScenario.RunAsync(args[2], orders: 200_000, hocon: args.ElementAtOrDefault(3) ?? ""));
        return 0;
    case "clients-pubsub" when ClientKindReader.HasOfficialClients:
        Console.WriteLine("The native and the official client of Pub/Sub on the broker, a process of its own: 200,000 orders of about 200 bytes published in batches of 500, then drained with acks");
        await BrokerScenario.CompareClientsAsync(runs, messages: 200_000);
        return 0;
    case "clients-cassandra" when args.Length == 4 && ClientKindReader.HasOfficialClients:
        Console.WriteLine("Inserts of orders into one Cassandra node by the store over the native and the official client");
        await CassandraScenario.CompareClientsAsync(args[2], runs, int.Parse(args[3], CultureInfo.InvariantCulture));
        return 0;
    default:
        Console.Error.WriteLine("usage: join | live-order | embedded | embedded-observed | backlog | broker-in-memory | broker-delivery [RUNS], broker-backlog, broker-topics [HOST:PORT], broker RUNS HOST:PORT, broker-publish RUNS HOST:PORT, cassandra RUNS HOST:PORT [HOCON], cluster RUNS HOST:PORT [NODES...], cassandra-inserts RUNS HOST:PORT BATCH_ROWS; in a build with -p:OfficialClients=true also clients-pubsub [RUNS], clients-cassandra RUNS HOST:PORT BATCH_ROWS");
        return 2;
}

async Task Measure(string unit, Func<Task<double>> scenario)
{
    await scenario();
    Console.WriteLine("  (that was the warm-up)");
    var results = new List<double>();
    for (var run = 0; run < runs; run++)
    {
        results.Add(await scenario());
    }

    results.Sort();
    Console.WriteLine(
        string.Create(CultureInfo.InvariantCulture, $"median {results[runs / 2]:N0} {unit} (least {results[0]:N0}, most {results[^1]:N0}, {runs} runs) on {Environment.ProcessorCount} cores"));
}
