using EcomStream.Actors;

namespace EcomStream.Hosting;

/// <summary>Decides from what was observed how well a pipeline works. Pure; docs/operations.md has the table.</summary>
internal static class HealthRules
{
    /// <summary>The names of the checks, in the order of a report.</summary>
    public static readonly IReadOnlyList<string> Names = ["pipeline", "store", "disk", "subscriptions", "watermark", "backlog"];

    // A call of the store may take some seconds while it is busy.
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(10);

    /// <summary>Evaluates every check.</summary>
    public static HealthReport Evaluate(PipelineObservation seen, OperationsSettings limits) => new(
    [
        Pipeline(seen),
        Store(seen),
        Disk(seen, limits),
        Subscriptions(seen, limits),
        Watermark(seen, limits),
        Backlog(seen, limits),
    ]);

    private static HealthEntry Pipeline(PipelineObservation seen) => seen switch
    {
        { Failure: { } failure } => Failed("pipeline", $"The pipeline has failed and stopped: {failure}"),
        { HasEnded: true } => Failed("pipeline", "The pipeline was drained and has ended."),
        { IsStopping: true } => Failed("pipeline", "The process is stopping: what is in flight is finished, and nothing more is read."),
        { IsCreated: false } => Failed("pipeline", "The pipeline is starting: it waits for the broker, or creates topics and subscriptions."),
        { IsStarted: false } => Failed("pipeline", "The pipeline is starting: it opens the store and reads which payments wait."),
        _ => Ok("pipeline", "The pipeline runs."),
    };

    private static HealthEntry Store(PipelineObservation seen) => seen.Store switch
    {
        { Error: { } error } condition => Failed(
            "store", $"The store has failed for {Text(condition.FailingFor)}; calls are repeated and messages are kept unacked: {error.Message}"),
        { PendingFor: var pending } when pending >= _patience => Failed(
            "store", $"A call of the store has not been answered for {Text(pending)}. Check what blocks the database, such as another program that holds a lock."),
        _ when !seen.IsStarted => Failed("store", "The store is not open yet."),
        _ => Ok("store", "The store answers."),
    };

    private static HealthEntry Disk(PipelineObservation seen, OperationsSettings limits) => seen.FreeDisk switch
    {
        _ when seen.Store.Error?.Message.Contains("disk is full", StringComparison.OrdinalIgnoreCase) == true =>
            Failed("disk", "The disk is full. Free space; writing continues by itself."),
        { } free when free < limits.MinFreeDisk => Failed(
            "disk", $"The disk of ecomstream.data-dir has {Mebibytes(free)} of free space, less than ecomstream.health.min-free-disk ({Mebibytes(limits.MinFreeDisk)}). Free space."),
        { } free => Ok("disk", $"{Mebibytes(free)} free."),
        null => Ok("disk", "No data is kept on a local disk."),
    };

    private static HealthEntry Subscriptions(PipelineObservation seen, OperationsSettings limits)
    {
        if (seen.IsStopping)
        {
            return Ok("subscriptions", "The subscriptions are no longer read: the process is stopping.");
        }

        if (!seen.IsStarted)
        {
            return Failed("subscriptions", "The subscriptions are not read yet.");
        }

        foreach (var subscription in seen.Subscriptions)
        {
            if (!subscription.IsReading)
            {
                return Failed(
                    "subscriptions",
                    $"{subscription.Name} is not being read: its streams to the broker are closed. Check the network, the endpoint and the permissions{Because(subscription)}.");
            }

            if (subscription.ProbeError is not null)
            {
                return Failed("subscriptions", $"The broker does not answer for {subscription.Name}{Because(subscription)}.");
            }
        }

        // A full subscription takes no messages: the store is the cause then, and has its own check.
        if (seen.Subscriptions.FirstOrDefault(subscription =>
            subscription is { Undelivered: > 0, IsFull: false } && subscription.SinceLastReceived >= limits.StalledAfter) is { } stalled)
        {
            return Failed(
                "subscriptions",
                $"{stalled.Name} is stalled: its broker has {stalled.Undelivered} messages to deliver, and nothing has been received for {Text(stalled.SinceLastReceived)}.");
        }

        return Ok("subscriptions", $"{string.Join(" and ", seen.Subscriptions.Select(subscription => subscription.Name))} are being read.");

        static string Because(SubscriptionObservation subscription) => subscription.ProbeError is { } error ? $": {error.TrimEnd('.')}" : "";
    }

    private static HealthEntry Watermark(PipelineObservation seen, OperationsSettings limits) => seen.Watermark switch
    {
        _ when !seen.IsStarted => Ok("watermark", "It is unknown until the subscriptions are read."),
        { Hold: not WatermarkHold.None } held when held.HeldFor >= limits.MaxWatermarkHold => Degraded(
            "watermark",
            $"The watermark of the orders has been held for {Text(held.HeldFor)}: {held}. No payment is dead-lettered meanwhile. {Advice(held.Hold)}"),
        { Hold: WatermarkHold.None } => Ok("watermark", "Every order published so far has been received."),
        var moving => Ok("watermark", $"Held for {Text(moving.HeldFor)}: {moving}."),
    };

    private static HealthEntry Backlog(PipelineObservation seen, OperationsSettings limits) =>
        seen.Subscriptions.MaxBy(subscription => subscription.BacklogAge ?? TimeSpan.Zero) switch
        {
            { BacklogAge: { } age } oldest when age >= limits.MaxBacklogAge => Degraded(
                "backlog",
                $"The oldest unacked message of {oldest.Name} is {Text(age)} old{(oldest.Backlog is { } count ? $", of {count}" : "")}. Check the throughput and the store, or add capacity."),
            { BacklogAge: { } age } oldest => Ok("backlog", $"The oldest unacked message is {Text(age)} old ({oldest.Name})."),
            _ => Ok("backlog", "No message is known to be unacked."),
        };

    private static string Advice(WatermarkHold hold) => hold switch
    {
        WatermarkHold.NotReading => "Check the network, the endpoint and the permissions.",
        WatermarkHold.Leases => "Another reader of the subscription returns old messages, or the connection is opened again and again.",
        WatermarkHold.Unconfirmed => "Check that the broker answers GetSubscription.",
        WatermarkHold.Backlog => "Check the throughput and the store, or add capacity.",
        WatermarkHold.Node => "Look at the nodes of the cluster: one is unreachable or cannot read the orders.",
        WatermarkHold.Unsettled => "Look for warnings about the store or a dead-letter topic.",
        _ => "",
    };

    private static string Text(TimeSpan? time) => time switch
    {
        null => "some time",
        { TotalSeconds: < 120 } t => $"{t.TotalSeconds:0} s",
        { TotalMinutes: < 120 } t => $"{t.TotalMinutes:0} min",
        { } t => $"{t.TotalHours:0} h",
    };

    private static string Mebibytes(long bytes) => $"{bytes / (1024.0 * 1024.0):N0} MiB";

    private static HealthEntry Ok(string name, string reason) => new(name, HealthState.Ok, reason);

    private static HealthEntry Degraded(string name, string reason) => new(name, HealthState.Degraded, reason);

    private static HealthEntry Failed(string name, string reason) => new(name, HealthState.Failed, reason);
}
