using System.CommandLine;
using EcomStream.Chaos.Faults;
using EcomStream.Chaos.Fuzzing;
using EcomStream.Chaos.Runs;

// The orders of a measured run are used again and again, so that the tables have a size to come to.
const int DistinctOrders = 20_000;

var kills = new Option<int>("--kills") { Description = "kill -9 in all, over all continued calls", DefaultValueFactory = _ => 100 };
var seed = new Option<int>("--seed") { Description = "Chooses faults and messages", DefaultValueFactory = _ => 1 };
var folder = new Option<string?>("--dir") { Description = "Folder for data, logs and state; a new one in the temporary folder when left out" };
var resume = new Option<bool>("--resume") { Description = "Continue the run of --dir" };
var limit = new Option<double?>("--limit") { Description = "Minutes after which the call ends, at the next checkpoint; --resume continues it" };
var rounds = new Option<int>("--rounds") { Description = "Rounds between two checkpoints", DefaultValueFactory = _ => 20 };
var rate = new Option<double>("--rate") { Description = "New orders per second; about two messages each", DefaultValueFactory = _ => 150 };
var pause = new Option<double>("--longest-pause") { Description = "Longest fault that lasts, seconds", DefaultValueFactory = _ => 20 };
var delay = new Option<double>("--longest-delay") { Description = "Longest time between two faults, seconds", DefaultValueFactory = _ => 4 };
var minutes = new Option<double?>("--minutes")
{
    Description = "Run for this many minutes with one fault per minute and record memory, handles, threads and file sizes in usage.csv. The host is not killed: only faults that it survives are injected",
};
var node = new Option<string?>("--node")
{
    Description = "Folder with node_modules of the official clients; ECOMSTREAM_TEST_NODE_PUBSUB when left out; without both, EcomStream's own publisher",
    DefaultValueFactory = _ => Environment.GetEnvironmentVariable("ECOMSTREAM_TEST_NODE_PUBSUB") is { Length: > 0 } named ? named : null,
};
var emulator = new Option<string?>("--emulator") { Description = "host:port of Google's emulator instead of the embedded broker" };
var cassandra = new Option<string?>("--cassandra") { Description = "host:port of Cassandra with the role admin/admin instead of SQLite; needs --node with cassandra-driver" };
var cluster = new Option<int>("--cluster") { Description = "Number of nodes of a cluster instead of a single host: nodes are killed, paused, cut off, restarted and scaled. Needs --cassandra" };
var control = new Option<string?>("--cassandra-control") { Description = "Program that kills and starts its node: PROGRAM kill 1, PROGRAM start 1" };
var command = new RootCommand("Kills, pauses and cuts off real processes under load, and checks the result from outside. Exit code 1: a fault was found.")
{
    kills, seed, folder, resume, limit, rounds, rate, pause, delay, minutes, node, emulator, cassandra, control, cluster, FuzzCommand.Create(),
};
command.SetAction(async (arguments, cancellationToken) =>
{
    var directory = arguments.GetValue(folder) ?? Path.Combine(Path.GetTempPath(), $"ecomstream-chaos-{Guid.NewGuid():n}");
    if (File.Exists(Path.Combine(directory, ChaosState.FileName)) && !arguments.GetValue(resume))
    {
        Console.Error.WriteLine($"{directory} has a run: continue it with --resume, or name another folder.");
        return 2;
    }

    var nodes = arguments.GetValue(cluster);
    if (nodes is not 0 and < 3 || (nodes > 0 && arguments.GetValue(cassandra) is null))
    {
        Console.Error.WriteLine("--cluster needs three nodes or more, of which a majority is left when one is lost, and --cassandra, which they share.");
        return 2;
    }

    var isMeasured = arguments.GetValue(minutes) is not null;
    var options = new ChaosOptions
    {
        Directory = directory,
        Seed = arguments.GetValue(seed),
        Kills = isMeasured ? int.MaxValue : arguments.GetValue(kills),
        FaultInterval = isMeasured ? TimeSpan.FromMinutes(1) : null,
        LogsUsage = isMeasured,
        DistinctOrders = isMeasured ? DistinctOrders : null,
        Limit = (arguments.GetValue(minutes) ?? arguments.GetValue(limit)) is { } most ? TimeSpan.FromMinutes(most) : null,
        RoundsPerCheckpoint = isMeasured ? int.MaxValue : arguments.GetValue(rounds),
        OrdersPerSecond = arguments.GetValue(rate),
        NodeFolder = arguments.GetValue(node),
        Emulator = arguments.GetValue(emulator),
        Cassandra = arguments.GetValue(cassandra),
        CassandraControl = arguments.GetValue(control),
        Nodes = nodes,
        Keyspace = ChaosState.Read(Path.Combine(directory, ChaosState.FileName))?.Keyspace ?? $"chaos_{Guid.NewGuid():n}"[..18],
        Faults = new FaultBounds(
            TimeSpan.FromSeconds(arguments.GetValue(delay)), TimeSpan.FromSeconds(arguments.GetValue(pause)),
            FaultBounds.Possible(
                nodes > 0 ? FaultBounds.OfCluster : isMeasured ? FaultBounds.HostLives : FaultBounds.MostlyKills,
                arguments.GetValue(emulator) is null, arguments.GetValue(control) is not null)),
        SettleTime = TimeSpan.FromSeconds(arguments.GetValue(emulator) is null ? 120 : 1_500),
    };
    return await new ChaosRun(options, Console.Out).RunAsync(cancellationToken) ? 0 : 1;
});
return await command.Parse(args).InvokeAsync();
