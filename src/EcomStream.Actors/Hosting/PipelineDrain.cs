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

    // Part of that time in which the record of a clean stop is written.
    private static readonly TimeSpan LongestRecord = TimeSpan.FromSeconds(1);

    /// <summary>Drains; <paramref name="parts"/> is null when the pipeline had not started.</summary>
    public static async Task RunAsync(EcomStreamPipeline pipeline, PipelineParts? parts, ILoggingAdapter log)
    {
        var (time, timeout) = (pipeline.Time, pipeline.Settings.ShutdownTimeout);
        var close = AtMost(timeout / 4, LongestClose);
        using var deadline = new CancellationTokenSource(timeout - close, time);
        var candidates = CleanStops.Candidates(pipeline);
        if (parts is not null)
        {
            try
            {
                await Task.WhenAll(parts.Streams.Select(stream => stream.Control.StopAsync()));
                await Task.WhenAll(parts.Streams.Select(stream => stream.Ended)).WaitAsync(deadline.Token);
                await FinishAsync(
                    pipeline.Shards.FlushAsync,
                    () => pipeline.Ports.Subscriptions.Sum(s => s.Status.OutstandingMessages),
                    NoProgress,
                    time,
                    deadline.Token);
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

        var record = AtMost(close / 4, LongestRecord);
        await CloseAsync(pipeline, close - record);
        await RecordAsync(pipeline, candidates, record, log);
    }

    private static TimeSpan AtMost(TimeSpan time, TimeSpan most) => time < most ? time : most;

    private static async Task RecordAsync(EcomStreamPipeline pipeline, IReadOnlyList<ISubscription> candidates, TimeSpan longest, ILoggingAdapter log)
    {
        try
        {
            using var deadline = new CancellationTokenSource(longest, pipeline.Time);
            await CleanStops.SetAsync(pipeline.Ports.Store, candidates, deadline.Token);
        }
        catch (Exception failed)
        {
            log.Info("It is not recorded that everything was given back, so the next start waits until leases have run out: {Error}", failed.Message);
        }
    }

    /// <summary>Gives back whatever is not settled.</summary>
    public static async Task CloseAsync(EcomStreamPipeline pipeline, TimeSpan timeout)
    {
        using var deadline = new CancellationTokenSource(timeout, pipeline.Time);
        await Task.WhenAll(pipeline.Ports.Subscriptions.Select(s => s.DisposeAsync().AsTask()))
            .WaitAsync(deadline.Token)
            .ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
    }

    /// <summary>
    /// Makes everything durable that can be, until nothing is open any more or nothing has moved for a time.
    /// </summary>
    /// <param name="flush">Completes when every write asked for before has become durable or has failed at least once since.</param>
    /// <param name="open">Deliveries that are not settled.</param>
    /// <param name="noProgress">The time after which it ends although some are open.</param>
    /// <param name="time">The clock.</param>
    /// <param name="deadline">Ends it.</param>
    public static async Task FinishAsync(
        Func<CancellationToken, Task> flush, Func<long> open, TimeSpan noProgress, TimeProvider time, CancellationToken deadline)
    {
        var (before, since) = (-1L, time.GetTimestamp());
        while (true)
        {
            await flush(deadline);
            var now = open();
            if (now == 0 || (now == before && time.GetElapsedTime(since) >= noProgress))
            {
                return;
            }

            if (now != before)
            {
                (before, since) = (now, time.GetTimestamp());
            }

            await Task.Delay(Poll, time, deadline);
        }
    }
}
