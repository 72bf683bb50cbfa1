using System.Diagnostics;
using EcomStream.Actors;
using Spectre.Console;

namespace EcomStream.Host;

/// <summary>The live progress of the demo: a table that is redrawn on a terminal, a line a second elsewhere.</summary>
internal static class DemoDisplay
{
    private static readonly TimeSpan Refresh = TimeSpan.FromMilliseconds(250);
    private static readonly TimeSpan LineEvery = TimeSpan.FromSeconds(1);

    public static async Task ShowAsync(PipelineCounters counters, EcomStreamPipeline pipeline, Producer producer, CancellationToken stop)
    {
        var rate = new Growth();
        try
        {
            if (AnsiConsole.Profile.Capabilities.Interactive && !Console.IsOutputRedirected && string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")))
            {
                await AnsiConsole.Live(Draw(counters, pipeline, producer, 0)).StartAsync(async live =>
                {
                    while (true)
                    {
                        await Task.Delay(Refresh, stop);
                        live.UpdateTarget(Draw(counters, pipeline, producer, rate.Of(counters.Received)));
                    }
                });
            }

            while (true)
            {
                await Task.Delay(LineEvery, stop);
                Console.WriteLine(string.Join("  ", Figures(counters, pipeline, producer, rate.Of(counters.Received)).Select(f => $"{f.Name} {f.Value}")));
            }
        }
        catch (OperationCanceledException)
        {
            // The demo has ended.
        }
    }

    private static Table Draw(PipelineCounters counters, EcomStreamPipeline pipeline, Producer producer, double rate)
    {
        var figures = Figures(counters, pipeline, producer, rate).ToList();
        return new Table().Border(TableBorder.Rounded)
            .AddColumns([.. figures.Select(f => new TableColumn(f.Name).RightAligned())])
            .AddRow([.. figures.Select(f => f.Value)]);
    }

    private static IEnumerable<(string Name, string Value)> Figures(
        PipelineCounters counters, EcomStreamPipeline pipeline, Producer producer, double rate)
    {
        yield return ("published", $"{producer.PublishedOrders + producer.PublishedPayments:N0}");
        yield return ("received", $"{counters.Received:N0}");
        yield return ("payments written", $"{counters.Joined:N0}");
        yield return ("waiting", $"{pipeline.Status.WaitingOrders:N0}");
        yield return ("dead-lettered", $"{counters.DeadLettered:N0}");
        yield return ("written", $"{counters.Written:N0}");
        yield return ("messages/s", $"{rate:N0}");
        yield return ("p99", counters.LatencyQuantile(0.99) is { } p99 ? $"{p99.TotalMilliseconds:0} ms" : "-");
    }

    /// <summary>How fast a count grows, since the last time that it was asked.</summary>
    private sealed class Growth
    {
        private readonly Stopwatch _clock = Stopwatch.StartNew();
        private long _last;

        public double Of(long count)
        {
            var rate = (count - _last) / Math.Max(_clock.Elapsed.TotalSeconds, 0.001);
            _last = count;
            _clock.Restart();
            return rate;
        }
    }
}
