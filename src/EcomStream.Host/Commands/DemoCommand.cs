using System.CommandLine;
using System.Diagnostics;
using EcomStream.Core;
using EcomStream.Host.Cli;
using EcomStream.PubSub;
using EcomStream.Web;
using Microsoft.Extensions.Logging;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream demo</c>: broker, store, simulator and pipeline in one process, with live progress.</summary>
internal static class DemoCommand
{
    // Any free port: the demo must not fail because of another program.
    private const string FreeAddress = "127.0.0.1:0";

    private static readonly TimeSpan Idle = TimeSpan.FromSeconds(1);

    public static Command Create(CommandContext context)
    {
        var data = new Option<string?>("--data", "-d") { Description = "Data folder, as for run; a temporary one when left out", HelpName = "dir" };
        var simulator = new SimulatorArguments(
            orders: 50_000, payments: 50_000, rate: 10_000, orphans: 0.01, malformed: 0.001, duplicates: 0.01, reordered: 0.05);
        var command = new Command("demo", "Run an embedded broker, SQLite, a simulated shop and the pipeline in one process; needs no other server") { data };
        var hold = new Option<bool>("--hold") { Description = "Keep the dashboard open after the last message, until Ctrl-C" };
        var (http, log) = (new HttpOption(), new LogOptions(LogLevel.Warning));
        command.Options.Add(hold);
        simulator.AddTo(command);
        http.AddTo(command);
        log.AddTo(command);
        return command.Runs(
            context,
            (result, stop) => Run(
                context, result.GetValue(data), simulator.Read(result, ProduceSequence.Interleaved), simulator.Rate(result), http.Address(result),
                result.GetValue(hold), log.Read(result), stop),
            isService: true);
    }

    private static async Task<int> Run(
        CommandContext context,
        string? data,
        SimulatorOptions options,
        double rate,
        string? address,
        bool hold,
        Action<ILoggingBuilder> logging,
        CancellationToken stop)
    {
        if (!string.IsNullOrWhiteSpace(context.EmulatorHost))
        {
            await context.Error.WriteLineAsync($"demo runs its own broker: {PubSubSettings.EmulatorVariable}={context.EmulatorHost} is ignored.");
        }

        var folder = data ?? Path.Combine(Path.GetTempPath(), $"ecomstream-demo-{Environment.ProcessId}");
        try
        {
            string[] own =
            [
                $"ecomstream.data-dir={folder}", "ecomstream.broker.port=0", "ecomstream.pubsub.project-id=demo",
                "ecomstream.pubsub.emulator-host=", "ecomstream.broker.embedded=on", "ecomstream.store.kind=sqlite",
                "ecomstream.unmatched.grace=3s", "ecomstream.unmatched.watermark-idle=1s",

                // The folder of the user may have dead letters that are not simulated.
                .. data is null ? ["ecomstream.http.actions=on"] : Array.Empty<string>(),
            ];
            var config = ConfigurationLoader.Load(null, own, context.Environment);
            var settings = HostSettings.Read(config, emulatorHost: null) with { CommandLine = [.. own.Select(set => set.Split('=')[0])] };
            var http = HttpSettings.Read(address ?? FreeAddress, settings.Operations);
            using var forced = ForcedExit.Listen();
            var shop = new Simulator(options);
            var clock = Stopwatch.StartNew();
            Producer producer;
            PipelineCounters counters;
            await using (var process = await JoinProcess.StartAsync(settings, logging, stop, HttpOption.Services(http, settings)))
            {
                counters = process.Counters;
                await context.Out.WriteLineAsync($"Dashboard on {process.Get<HttpService>().Url}");
                await process.Pipeline.Started.WaitAsync(stop);
                await context.Out.WriteLineAsync($"Broker on {process.Broker!.Endpoint}, store {settings.StorePath}; Ctrl-C ends it.");
                producer = new Producer(process.Publisher, settings.OrdersTopic, settings.PaymentsTopic);
                using var ending = CancellationTokenSource.CreateLinkedTokenSource(stop, process.Stopping);
                using var shown = CancellationTokenSource.CreateLinkedTokenSource(ending.Token);
                var display = DemoDisplay.ShowAsync(counters, process.Pipeline, producer, shown.Token);
                try
                {
                    await producer.RunAsync(shop.Messages(), rate, ending.Token);
                    await process.RunAsync(hold ? null : Idle, ending.Token);
                }
                catch (OperationCanceledException) when (ending.IsCancellationRequested)
                {
                    // Ctrl-C: the summary tells what was done until then. A pipeline that has failed stops the host as well.
                    if (process.Pipeline.Completion.IsFaulted)
                    {
                        await process.Pipeline.Completion;
                    }
                }

                await shown.CancelAsync();
                await display;
            }

            await SummarizeAsync(context, settings, counters, producer, shop, options, clock.Elapsed);
            return Exit.Ok;
        }
        finally
        {
            if (data is null && Directory.Exists(folder))
            {
                Directory.Delete(folder, recursive: true);
            }
        }
    }

    // What the table holds is counted in the table, not taken from the counters.
    private static async Task SummarizeAsync(
        CommandContext context, HostSettings settings, PipelineCounters counters, Producer producer, Simulator shop, SimulatorOptions options, TimeSpan elapsed)
    {
        await using var store = await StoreAccess.OpenAsync(settings, CancellationToken.None);
        var complete = 0;
        foreach (var ids in Enumerable.Range(1, options.Orders).Select(id => (long)id).Chunk(1_000))
        {
            complete += (await store.ReadAsync(ids, CancellationToken.None)).Count(row => row is { Order: not null, Payment: not null });
        }

        // Malformed messages have rows too, and a line of their own.
        var unmatched = new Dictionary<UnmatchedState, int>();
        await foreach (var row in store.ListUnmatchedAsync(new UnmatchedQuery(), CancellationToken.None))
        {
            if (!row.IsMessage)
            {
                unmatched[row.State] = unmatched.GetValueOrDefault(row.State) + 1;
            }
        }

        var published = producer.PublishedOrders + producer.PublishedPayments;
        await context.Out.WriteLineAsync();
        await LineAsync("published", $"{published:N0} messages ({producer.PublishedOrders:N0} to the orders topic, {producer.PublishedPayments:N0} to the payments topic)");
        await LineAsync("received", $"{counters.Received:N0}; the whole run took {elapsed.TotalSeconds:0.0} s");
        await LineAsync("complete rows in the table", $"{complete:N0} of {Math.Min(options.Orders, options.Payments):N0}");
        await LineAsync("row writes", $"{counters.Written:N0}");
        await LineAsync("payments without an order", $"{shop.Orphans:N0} published, {unmatched.GetValueOrDefault(UnmatchedState.DeadLettered):N0} dead-lettered, {unmatched.GetValueOrDefault(UnmatchedState.Waiting):N0} waiting");
        await LineAsync("healed", $"{unmatched.GetValueOrDefault(UnmatchedState.Healed):N0} payments that had waited");
        await LineAsync("malformed", $"{shop.Malformed:N0} published, {counters.DeadLetteredFor("malformed"):N0} dead-lettered");
        await LineAsync("publish to row", $"p50 {Milliseconds(counters.LatencyQuantile(0.5))}, p99 {Milliseconds(counters.LatencyQuantile(0.99))}");

        Task LineAsync(string name, string value) => context.Out.WriteLineAsync($"{name,-28}{value}");
    }

    private static string Milliseconds(TimeSpan? time) => time is { } t ? $"{t.TotalMilliseconds:0.0} ms" : "-";
}
