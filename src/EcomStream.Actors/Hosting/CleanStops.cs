using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// What one run of a pipeline tells the next one through the store: that it has given back everything, so that no lease has
/// to run out. Every start takes the record away; only the only reader of the subscriptions writes and uses it.
/// </summary>
internal static class CleanStops
{
    /// <summary>Takes the records of the last run, before anything is read.</summary>
    /// <exception cref="StoreUnavailableException">The start is to be repeated.</exception>
    public static async Task TakeAsync(EcomStreamPipeline pipeline, CancellationToken cancellationToken)
    {
        if (pipeline.Ports.Store is not ICleanStopStore store)
        {
            return;
        }

        foreach (var (subscription, monitor) in pipeline.Ports.Subscriptions.Zip(pipeline.Monitors))
        {
            if (await store.TakeCleanStopAsync(subscription.FullName, cancellationToken) && pipeline.Ports.IsOnlyReader)
            {
                monitor.NothingLeased();
            }
        }
    }

    /// <summary>
    /// The subscriptions of which nothing is leased but what is in flight here: neither to a reader that was killed before nor
    /// to a stream of this one that was lost. Asked before the streams are stopped.
    /// </summary>
    public static IReadOnlyList<ISubscription> Candidates(EcomStreamPipeline pipeline)
    {
        if (pipeline.Ports is not { IsOnlyReader: true, Store: ICleanStopStore })
        {
            return [];
        }

        // A stream may have been lost since the last look.
        foreach (var monitor in pipeline.Monitors)
        {
            monitor.Update();
        }

        return [.. pipeline.Ports.Subscriptions.Zip(pipeline.Monitors).Where(pair => pair.Second.IsNothingLeasedElsewhere).Select(pair => pair.First)];
    }

    /// <summary>Writes the records after the subscriptions were disposed, where everything was given back.</summary>
    /// <exception cref="StoreUnavailableException">The next run waits for leases.</exception>
    /// <param name="store">The store of the pipeline.</param>
    /// <param name="candidates">What <see cref="Candidates"/> has returned.</param>
    /// <param name="cancellationToken">Cancels it.</param>
    public static async Task SetAsync(IFactStore store, IReadOnlyList<ISubscription> candidates, CancellationToken cancellationToken)
    {
        foreach (var subscription in candidates.Where(subscription => subscription.GaveEverythingBack))
        {
            await ((ICleanStopStore)store).SetCleanStopAsync(subscription.FullName, cancellationToken);
        }
    }
}
