using System.Diagnostics;
using System.Security.Cryptography;
using System.Text;
using EcomStream.Chaos.Checking;
using EcomStream.Chaos.Faults;
using EcomStream.Chaos.Load;
using EcomStream.Chaos.Processes;
using Grpc.Core;

namespace EcomStream.Chaos.Runs;

/// <summary>Rounds of faults under a steady load, with a check of everything every so many rounds.</summary>
internal sealed class ChaosRun(ChaosOptions options, TextWriter output)
{
    private const long MemoryTolerance = 150L << 20;
    private const double MemoryFactor = 1.6;
    private const int ShownProblems = 20;
    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(400);
    private static readonly TimeSpan _noteInterval = TimeSpan.FromSeconds(15);

    private readonly Stopwatch _clock = Stopwatch.StartNew();
    private readonly IRowReader _rows = options.Cassandra is { } cassandra
        ? new CassandraRows(cassandra, options.Keyspace, options.NodeFolder ?? throw new ChaosException("--cassandra needs --node: the rows are read with cassandra-driver"), options.Directory)
        : new SqliteRows(Path.Combine(options.Directory, "data", "ecomstream.db"));

    private bool IsOver => _clock.Elapsed > options.Limit;

    private string StateFile => Path.Combine(options.Directory, ChaosState.FileName);

    /// <summary>Runs until enough kills were made.</summary>
    /// <returns>Whether nothing was found.</returns>
    public async Task<bool> RunAsync(CancellationToken cancellationToken)
    {
        Directory.CreateDirectory(options.Directory);
        var state = ChaosState.Read(StateFile) ?? new ChaosState { Seed = options.Seed, Keyspace = options.Keyspace };
        if (state.Problems.Count > 0)
        {
            output.WriteLine($"{StateFile} is of a run that has found something: {state.Problems[0]}");
            return false;
        }

        state.Calls++;
        state.Write(StateFile);
        try
        {
            await RunAsync(state, cancellationToken);
        }
        catch (ChaosException found)
        {
            state.Problems.Add(found.Message);
        }

        state.Write(StateFile);
        new ChaosReport(state, options).Write(output, _clock.Elapsed);
        return state.Problems.Count == 0;
    }

    private async Task RunAsync(ChaosState state, CancellationToken cancellationToken)
    {
        var ledger = new Ledger(state.FirstOrder, options.Grace);
        var shop = new Shop(state.Seed, state.FirstOrder, options.Grace, options.DistinctOrders);
        await using var deployment = new Deployment(options);
        await deployment.StartAsync(cancellationToken);
        await using ILoadClient client = options.NodeFolder is { } folder ? new NodeLoadClient(deployment.Endpoint, folder) : new OwnLoadClient(deployment.Endpoint);
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        var readers = Task.WhenAll(ReadersOf(deployment, ledger).Select(reader => Task.Run(() => reader.RunAsync(ended.Token))));
        output.WriteLine($"seed {state.Seed}, call {state.Calls}, from round {state.Rounds + 1}: load from {client.Name}, {options.OrdersPerSecond:0} orders/s");
        var faults = new FaultRunner(deployment, options);
        var usage = new UsageLog(deployment, Path.Combine(options.Directory, "usage.csv"));
        using var usageEnded = CancellationTokenSource.CreateLinkedTokenSource(ended.Token);
        var sampling = options.LogsUsage ? Task.Run(() => usage.RunAsync(usageEnded.Token), CancellationToken.None) : Task.CompletedTask;
        while (state.Kills < options.Kills && !IsOver)
        {
            var first = shop.NextOrder;
            using var stopLoad = new CancellationTokenSource();
            var load = new LoadRunner(shop, client, options.OrdersPerSecond, ledger.Confirmed).RunAsync(stopLoad.Token, cancellationToken);
            for (var i = 0; i < options.RoundsPerCheckpoint && state.Kills < options.Kills && !IsOver; i++)
            {
                await RoundAsync(state, faults, deployment, ledger, load, cancellationToken);
            }

            if (options.LogsUsage && IsOver)
            {
                // Before the load ends: what follows is another state.
                await usageEnded.CancelAsync();
                await sampling;
            }

            await stopLoad.CancelAsync();
            await CheckpointAsync(state, deployment, faults, ledger, shop, first, load, cancellationToken);
        }

        foreach (var slope in options.LogsUsage ? usage.Slopes() : [])
        {
            output.WriteLine(slope);
        }

        await CheckEarlierRangesAsync(state, cancellationToken);
        await faults.EndAsync();
        await ended.CancelAsync();
        await readers;
    }

    private static IEnumerable<SubscriptionReader> ReadersOf(Deployment deployment, Ledger ledger) =>
    [
        new(deployment.Subscriber, Names.PublishedOrders, message => ledger.Add(isOrder: true, message)),
        new(deployment.Subscriber, Names.PublishedPayments, message => ledger.Add(isOrder: false, message)),
        new(deployment.Subscriber, Names.OrdersDeadLetters, ledger.AddDeadLetter),
        new(deployment.Subscriber, Names.PaymentsDeadLetters, ledger.AddDeadLetter),
    ];

    private async Task RoundAsync(ChaosState state, FaultRunner faults, Deployment deployment, Ledger ledger, Task load, CancellationToken cancellationToken)
    {
        var fault = Fault.Choose(state.Seed, ++state.Rounds, options.Faults);
        fault = options.FaultInterval is { } interval ? fault with { After = interval } : fault;
        await faults.RunAsync(fault, cancellationToken);
        if (load.IsFaulted)
        {
            await load;
        }

        state.Kills += fault.Kills;
        state.Faults[fault.Kind] = state.Faults.GetValueOrDefault(fault.Kind) + 1;
        state.TakeOverSeconds.AddRange((faults.Cluster?.TakeOvers ?? []).Select(time => time.TotalSeconds));
        faults.Cluster?.TakeOvers.Clear();
        output.WriteLine(
            $"{_clock.Elapsed:hh\\:mm\\:ss} round {state.Rounds}: {fault} after {fault.After.TotalSeconds:0.00} s; {state.Kills} kills; "
            + $"{ledger.Published} published; host {(deployment.Host.Usage?.ResidentBytes ?? 0) >> 20} MiB, broker {(deployment.Broker?.Usage?.ResidentBytes ?? 0) >> 20} MiB");
    }

    // The load has ended its orders. Within a time everything must be as the messages say, and stay so.
    private async Task CheckpointAsync(
        ChaosState state, Deployment deployment, FaultRunner faults, Ledger ledger, Shop shop, long first, Task load, CancellationToken cancellationToken)
    {
        var last = shop.NextOrder - 1;
        first = options.DistinctOrders is null ? first : state.FirstOrder;
        await Task.WhenAny(load, Task.Delay(options.ConfirmTime, cancellationToken));
        if (!load.IsCompleted)
        {
            throw new ChaosException($"The broker has not confirmed all messages {options.ConfirmTime.TotalSeconds} s after the last fault.");
        }

        // What was published last has its grace period still before it.
        await load;
        var clock = Stopwatch.StartNew();
        var clean = 0;
        IReadOnlyList<string> differences = ["nothing was checked"];
        var hash = "";
        var noted = TimeSpan.Zero;
        while (clean < 2)
        {
            faults.ThrowIfEnded();
            if (clock.Elapsed > options.SettleTime)
            {
                throw new ChaosException(
                    $"{options.SettleTime.TotalSeconds} s after the last message {differences.Count} things are wrong:{Environment.NewLine}"
                    + string.Join(Environment.NewLine, differences.Take(ShownProblems)));
            }

            await Task.Delay(_poll, cancellationToken);
            var (facts, unmatched) = await _rows.ReadAsync(first, last, cancellationToken);
            differences = [.. ledger.Differences(facts, unmatched), .. await BacklogsAsync(deployment, cancellationToken)];
            clean = differences.Count == 0 ? clean + 1 : 0;
            if (clean == 0 && clock.Elapsed > noted + _noteInterval)
            {
                noted = clock.Elapsed;
                output.WriteLine($"{_clock.Elapsed:hh\\:mm\\:ss} not settled: {differences.Count} differences, such as {differences[0]}; {differences[^1]}");
            }

            hash = Hash(facts, unmatched);
        }

        Remember(state, ledger, new CheckedRange(first, last, hash), last - first + 1);
        CheckMemory(state, deployment);
        state.Write(StateFile);
        output.WriteLine(
            $"{_clock.Elapsed:hh\\:mm\\:ss} checkpoint: orders {first} to {last} are right, {clock.Elapsed.TotalSeconds:0.0} s after the last message; "
            + $"host {(deployment.Host.Usage?.ResidentBytes ?? 0) >> 20} MiB");
    }

    private void Remember(ChaosState state, Ledger ledger, CheckedRange range, long orders)
    {
        state.Published += ledger.TakePublished();
        foreach (var (reason, count) in ledger.TakeDeadLetters())
        {
            state.DeadLetters[reason] = state.DeadLetters.GetValueOrDefault(reason) + count;
        }

        if (options.DistinctOrders is null)
        {
            state.Orders += orders;
            state.Checked.Add(range);
            ledger.Forget();
        }
        else
        {
            state.Orders = orders;
        }
    }

    private static void CheckMemory(ChaosState state, Deployment deployment)
    {
        var bytes = deployment.Host.Usage?.ResidentBytes ?? 0;
        state.FirstHostBytes = state.FirstHostBytes == 0 ? bytes : state.FirstHostBytes;
        state.MaxHostBytes = Math.Max(state.MaxHostBytes, bytes);
        if (bytes > (state.FirstHostBytes * MemoryFactor) + MemoryTolerance)
        {
            throw new ChaosException($"The host has {bytes >> 20} MiB resident at rest, and had {state.FirstHostBytes >> 20} MiB at the first checkpoint.");
        }
    }

    private static async Task<IReadOnlyList<string>> BacklogsAsync(Deployment deployment, CancellationToken cancellationToken)
    {
        var found = new List<string>();
        try
        {
            foreach (var subscription in Names.All.SelectMany(topic => topic.Subscriptions))
            {
                if (await deployment.BacklogAsync(subscription, cancellationToken) is { } backlog)
                {
                    found.Add(backlog);
                }
            }
        }
        catch (RpcException failed)
        {
            found.Add($"the broker does not answer: {failed.Status}");
        }

        return found;
    }

    // What was right must not have changed since: a duplicate that comes late changes nothing.
    private async Task CheckEarlierRangesAsync(ChaosState state, CancellationToken cancellationToken)
    {
        foreach (var range in state.Checked)
        {
            var (facts, unmatched) = await _rows.ReadAsync(range.First, range.Last, cancellationToken);
            if (Hash(facts, unmatched) != range.Hash)
            {
                throw new ChaosException($"The rows of orders {range.First} to {range.Last} have changed since they were checked.");
            }
        }
    }

    private static string Hash(IReadOnlyDictionary<long, FactRow> facts, IReadOnlyList<UnmatchedRow> unmatched)
    {
        var text = new StringBuilder();
        foreach (var row in facts.Values.OrderBy(row => row.OrderId))
        {
            text.Append(row.OrderId).Append('|').AppendJoin('|', row.Columns).Append('\n');
        }

        foreach (var row in unmatched.OrderBy(row => row.OrderId).ThenBy(row => row.PaymentKey, StringComparer.Ordinal))
        {
            text.Append(row.OrderId).Append('|').Append(row.PaymentKey).Append('|').Append(row.State).Append('|').Append(row.Reason).Append('\n');
        }

        return Convert.ToHexString(SHA256.HashData(Encoding.UTF8.GetBytes(text.ToString())));
    }
}
