using EcomStream.PubSub.Broker.Topics;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.State;

/// <summary>
/// What happens by itself as time passes: leases and backoffs end, undeliverable messages are forwarded, retention and
/// expiry take their share, and full segments that nothing needs are deleted.
/// </summary>
internal sealed class BrokerUpkeep(BrokerState state, EmbeddedBrokerOptions options, ILogger logger) : IDisposable
{
    private static readonly TimeSpan Interval = TimeSpan.FromMilliseconds(200);

    // Retention and expiry are counted in minutes at least.
    private static readonly TimeSpan SlowInterval = TimeSpan.FromSeconds(10);

    private readonly DeadLetterForwarder _deadLetters = new(state, options, logger);
    private readonly ProjectMismatches _mismatches = new(state, logger);
    private readonly Lock _running = new();
    private ITimer? _timer;
    private long _slowAt = long.MinValue;

    public void Start() => _timer = options.Time.CreateTimer(_ => Run(), null, Interval, Interval);

    public void Dispose()
    {
        _timer?.Dispose();

        // A run that is under way ends before the files close.
        lock (_running)
        {
            _timer = null;
        }
    }

    /// <summary>Does now what is due by the clock, which was moved.</summary>
    public void RunNow()
    {
        lock (_running)
        {
            _slowAt = long.MinValue;
            Run();
        }
    }

    private void Run()
    {
        // A run that takes longer than the interval is not overtaken by the next.
        if (!_running.TryEnter())
        {
            return;
        }

        try
        {
            if (_timer is null)
            {
                return;
            }

            foreach (var subscription in state.Subscriptions)
            {
                KeepUp(subscription);
            }

            var now = options.Time.GetTimestamp();
            if (_slowAt == long.MinValue || options.Time.GetElapsedTime(_slowAt, now) >= SlowInterval)
            {
                _slowAt = now;
                DropWhatIsTooOld();
                DeleteWhatHasExpired();
                _mismatches.Report();
            }

            state.Reclaim();
            state.DeleteFiles();
        }
        catch (Exception error)
        {
            // The timer continues: the next run tries again.
            logger.LogError(error, "The upkeep of the broker failed, and is tried again");
        }
        finally
        {
            _running.Exit();
        }
    }

    // A failure of one subscription must not stop the others.
    private void KeepUp(BrokerSubscription subscription)
    {
        try
        {
            subscription.Expire();
            _deadLetters.Forward(subscription);
        }
        catch (Exception error)
        {
            logger.LogError(error, "Expiring leases or forwarding dead letters of {Subscription} failed; it is retried", subscription.Name);
        }
    }

    private void DropWhatIsTooOld()
    {
        var now = options.Time.GetUtcNow();
        foreach (var subscription in state.Subscriptions)
        {
            try
            {
                var log = subscription.Topic.Log;
                subscription.Position.DropBefore(subscription.Settings.Detached ? log.EndOffset : log.OffsetAt(now - subscription.Settings.MessageRetention));
            }
            catch (Exception error) when (error is IOException or InvalidDataException)
            {
                logger.LogWarning("Expired messages of {Subscription} could not be dropped, which is tried again: {Reason}", subscription.Name, error.Message);
            }
        }
    }

    private void DeleteWhatHasExpired()
    {
        var now = options.Time.GetUtcNow();
        foreach (var snapshot in state.Snapshots.Where(snapshot => snapshot.Entry.Expires <= now).ToList())
        {
            Delete("snapshot", snapshot.Name, state.DeleteSnapshot);
        }

        foreach (var subscription in state.Subscriptions.Where(s => s.Idle >= s.Settings.Expiration).ToList())
        {
            Delete("subscription", subscription.Name, state.DeleteSubscription);
        }
    }

    private void Delete(string kind, string name, Action<string> delete)
    {
        try
        {
            delete(name);
            logger.LogInformation("The {Kind} {Name} has expired and is deleted", kind, name);
        }
        catch (Exception error) when (error is IOException or RpcException)
        {
            logger.LogWarning("The {Kind} {Name} has expired and cannot be deleted yet: {Reason}", kind, name, error.Message);
        }
    }
}
