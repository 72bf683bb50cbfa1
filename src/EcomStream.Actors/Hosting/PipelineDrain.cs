using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// Ends a pipeline: finishes what is in flight within a deadline, then gives the rest back, so that another reader gets
/// it at once. It also ends early when nothing moves any more, because the store or a topic does not accept anything.
/// </summary>
internal static class PipelineDrain
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(20);
    private static readonly TimeSpan NoProgress = TimeSpan.FromSeconds(1);

    // Part of the shutdown timeout that is left for giving messages back.
    private static readonly TimeSpan LongestClose = TimeSpan.FromSeconds(5);

    /// <summary>Drains; <paramref name="parts"/> is null when the pipeline had not started.</summary>
    public static async Task RunAsync(EcomStreamPipeline pipeline, PipelineParts? parts, ILoggingAdapter log)
    {
        var (time, timeout) = (pipeline.Time, pipeline.Settings.ShutdownTimeout);
        var close = timeout / 4 < LongestClose ? timeout / 4 : LongestClose;
        using var deadline = new CancellationTokenSource(timeout - close, time);
        if (parts is not null)
        {
            try
            {
                await Task.WhenAll(parts.Streams.Select(stream => stream.Control.StopAsync()));
                await Task.WhenAll(parts.Streams.Select(stream => stream.Ended)).WaitAsync(deadline.Token);
                await FinishAsync(pipeline, deadline.Token);
                await Task.WhenAll(pipeline.Ports.Subscriptions.Select(s => s.FlushAsync(deadline.Token)));
            }
            catch (OperationCanceledException)
            {
                // What is not finished in time is given back below.
            }
            catch (Exception unfinished)
            {
                log.Warning("Draining ended early, messages in flight go back to their subscriptions: {Error}", unfinished.Message);
            }
        }

        await CloseAsync(pipeline, close);
    }

    /// <summary>Gives back whatever is not settled.</summary>
    public static async Task CloseAsync(EcomStreamPipeline pipeline, TimeSpan timeout)
    {
        using var deadline = new CancellationTokenSource(timeout, pipeline.Time);
        await Task.WhenAll(pipeline.Ports.Subscriptions.Select(s => s.DisposeAsync().AsTask()))
            .WaitAsync(deadline.Token)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    private static async Task FinishAsync(EcomStreamPipeline pipeline, CancellationToken deadline)
    {
        var (outstanding, since) = (-1, pipeline.Time.GetTimestamp());
        while (true)
        {
            await pipeline.Shards.FlushAsync(deadline);
            var now = pipeline.Ports.Subscriptions.Sum(s => s.Status.OutstandingMessages);
            if (now == 0)
            {
                return;
            }

            if (now != outstanding)
            {
                (outstanding, since) = (now, pipeline.Time.GetTimestamp());
            }
            else if (pipeline.Time.GetElapsedTime(since) >= NoProgress)
            {
                return;
            }

            await Task.Delay(Poll, pipeline.Time, deadline);
        }
    }
}
