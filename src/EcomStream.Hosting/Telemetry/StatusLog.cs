using System.Diagnostics;
using EcomStream.Actors;
using EcomStream.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.Hosting;

/// <summary>Says now and then how far the pipeline is, in one line of the log.</summary>
internal static partial class StatusLog
{
    /// <summary>Logs until it is stopped.</summary>
    /// <param name="pipeline">The pipeline.</param>
    /// <param name="counters">What it counts.</param>
    /// <param name="every">How often; zero for never.</param>
    /// <param name="logger">Where to.</param>
    /// <param name="stop">Ends it.</param>
    public static async Task RunAsync(EcomStreamPipeline pipeline, PipelineCounters counters, TimeSpan every, ILogger logger, CancellationToken stop)
    {
        if (every <= TimeSpan.Zero)
        {
            return;
        }

        using var timer = new PeriodicTimer(every);
        var clock = Stopwatch.StartNew();
        var before = counters.Received;
        try
        {
            while (await timer.WaitForNextTickAsync(stop))
            {
                var received = counters.Received;
                var rate = (received - before) / clock.Elapsed.TotalSeconds;
                before = received;
                clock.Restart();
                var status = pipeline.Status;
                Progress(
                    logger, received, rate, counters.Joined, status.WaitingOrders, counters.DeadLettered, counters.Healed,
                    status.Orders.OutstandingMessages + status.Payments.OutstandingMessages, Watermark(status.OrdersWatermark));
            }
        }
        catch (OperationCanceledException)
        {
            // The process ends.
        }
    }

    private static string Watermark(WatermarkReading reading) => reading.Micros is { } at
        ? $"all orders published before {Timestamps.Rfc3339(at)} have been received ({reading})"
        : $"the grace period is suspended: {reading}";

    [LoggerMessage(Level = LogLevel.Information, Message =
        "{Received} received ({Rate:0}/s), {Payments} payments written, {Waiting} orders with payments that wait, {DeadLettered} dead-lettered, {Healed} healed, {Outstanding} in flight; {Watermark}")]
    private static partial void Progress(
        ILogger logger, long received, double rate, long payments, int waiting, long deadLettered, long healed, int outstanding, string watermark);
}
