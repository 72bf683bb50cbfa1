using System.Diagnostics;
using EcomStream.Hosting;
using EcomStream.Web;

namespace EcomStream.Benchmarks;

/// <summary>What it costs to watch the process: the embedded run with and without everything that an operator turns on.</summary>
internal static class ObservedScenario
{
    private static readonly TimeSpan Scrape = TimeSpan.FromSeconds(5);

    public static async Task CompareAsync(int runs, int orders)
    {
        // Spans are created, sampled and batched; nobody listens at the end of the export.
        Environment.SetEnvironmentVariable("OTEL_EXPORTER_OTLP_TRACES_ENDPOINT", "http://127.0.0.1:9");
        await RunAsync(orders, isObserved: false);
        await RunAsync(orders, isObserved: true);
        Console.WriteLine("  (that was the warm-up)");
        var (plain, observed) = (new List<double>(), new List<double>());
        for (var run = 0; run < runs; run++)
        {
            plain.Add(await RunAsync(orders, isObserved: false));
            observed.Add(await RunAsync(orders, isObserved: true));
            Console.WriteLine($"  {plain[^1]:0.00} us without, {observed[^1]:0.00} us with");
        }

        plain.Sort();
        observed.Sort();
        Console.WriteLine(
            $"median {plain[runs / 2]:0.00} us of CPU per message without, {observed[runs / 2]:0.00} us with: {((observed[runs / 2] / plain[runs / 2]) - 1) * 100:+0.0;-0.0} % ({runs} pairs)");
    }

    private static async Task<double> RunAsync(int orders, bool isObserved)
    {
        using var place = new EmbeddedScenario.Place();
        await EmbeddedScenario.PublishAsync(place.Settings, orders);
        GC.Collect();
        using var stop = new CancellationTokenSource();
        using var self = Process.GetCurrentProcess();
        await using (var process = await JoinProcess.StartAsync(
            place.Settings, EmbeddedScenario.Quiet, CancellationToken.None,
            isObserved ? services => HttpService.Add(services, HttpSettings.Read("127.0.0.1:0", place.Settings.Operations), place.Settings.Operations.TraceRatio) : null))
        {
            await process.Pipeline.Started;
            var watching = isObserved ? WatchAsync(process.Get<HttpService>().Url!, stop.Token) : Task.CompletedTask;

            // The first quarter is not measured: the HTTP server and the exporters start in it.
            var counted = 2 * orders * 3 / 4;
            await EmbeddedScenario.UntilDrained(process, place.Settings, atMost: counted);
            self.Refresh();
            var before = self.TotalProcessorTime;
            await EmbeddedScenario.UntilDrained(process, place.Settings);
            self.Refresh();
            var cpu = self.TotalProcessorTime - before;
            await stop.CancelAsync();
            await watching;
            return cpu.TotalMicroseconds / counted;
        }
    }

    // An open dashboard and a Prometheus server.
    private static async Task WatchAsync(string url, CancellationToken stop)
    {
        using var client = new HttpClient { BaseAddress = new Uri(url) };
        try
        {
            await Task.WhenAll(LiveAsync(), ScrapeAsync());
        }
        catch (OperationCanceledException)
        {
            // The run has ended.
        }

        async Task LiveAsync()
        {
            await using var stream = await client.GetStreamAsync("/api/live", stop);
            var buffer = new byte[16_384];
            while (await stream.ReadAsync(buffer, stop) > 0)
            {
                // Read and thrown away, as fast as it comes.
            }
        }

        async Task ScrapeAsync()
        {
            while (true)
            {
                await client.GetStringAsync("/metrics", stop);
                await client.GetStringAsync("/api/history", stop);
                await Task.Delay(Scrape, stop);
            }
        }
    }
}
