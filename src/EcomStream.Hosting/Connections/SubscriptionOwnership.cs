using EcomStream.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.Hosting;

/// <summary>
/// Sees to it that one process at a time, or one cluster, joins the subscriptions of a pipeline: it records itself in the
/// store as their owner, and renews the record while it runs. The record of a process that was killed is taken over when
/// it has expired, or at once where it is seen that the process has ended.
/// </summary>
internal sealed partial class SubscriptionOwnership : IAsyncDisposable
{
    private static readonly TimeSpan _timeToLive = TimeSpan.FromSeconds(30);

    private readonly IOwnershipStore _store;
    private readonly IReadOnlyList<string> _subscriptions;
    private readonly string _id;
    private readonly bool _isCluster;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _lost = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task? _renewing;

    /// <summary>Makes it; nothing is recorded yet.</summary>
    /// <param name="store">Where it is recorded.</param>
    /// <param name="subscriptions">The full names of the subscriptions.</param>
    /// <param name="cluster">The name of the cluster, whose nodes are one owner; null for a process by itself.</param>
    /// <param name="time">The clock.</param>
    /// <param name="logger">Where it logs.</param>
    public SubscriptionOwnership(IOwnershipStore store, IReadOnlyList<string> subscriptions, string? cluster, TimeProvider time, ILogger logger)
    {
        (_store, _subscriptions, _time, _logger, _isCluster) = (store, subscriptions, time, logger, cluster is not null);
        _id = cluster is null ? Guid.NewGuid().ToString("n") : $"cluster {cluster}";
    }

    /// <summary>How often the record is renewed.</summary>
    public TimeSpan RenewInterval { get; init; } = TimeSpan.FromSeconds(10);

    /// <summary>How often it is looked whether another owner is still there.</summary>
    public TimeSpan PollInterval { get; init; } = TimeSpan.FromSeconds(1);

    /// <summary>Fails with <see cref="SubscriptionTakenException"/> when another owner has taken over; otherwise it does not complete.</summary>
    public Task Lost => _lost.Task;

    /// <summary>
    /// Becomes the owner of every subscription. Waits while another owner has a record that it does not renew, which
    /// expires after 30 s.
    /// </summary>
    /// <exception cref="SubscriptionTakenException">Another owner renews its record.</exception>
    /// <exception cref="StoreUnavailableException">The store does not answer; the call may be repeated.</exception>
    public async Task AcquireAsync(CancellationToken cancellationToken)
    {
        foreach (var subscription in _subscriptions)
        {
            await AcquireAsync(subscription, cancellationToken);
        }

        _renewing ??= RenewAsync();
    }

    /// <summary>Deletes the records of a process by itself; those of a cluster expire when its last node has ended.</summary>
    public async ValueTask DisposeAsync()
    {
        await _stopping.CancelAsync();

        // Nothing was recorded before AcquireAsync, and what another owner has recorded is not ours to delete.
        if (Interlocked.Exchange(ref _renewing, null) is not { } renewing)
        {
            return;
        }

        await renewing;
        if (!_isCluster && !_lost.Task.IsCompleted)
        {
            try
            {
                using var timeout = new CancellationTokenSource(TimeSpan.FromSeconds(2), _time);
                foreach (var subscription in _subscriptions)
                {
                    await _store.ReleaseAsync(subscription, _id, timeout.Token);
                }
            }
            catch (Exception failed) when (failed is StoreUnavailableException or OperationCanceledException)
            {
                LogNotReleased(_logger, _timeToLive.TotalSeconds, failed.Message);
            }
        }
    }

    private async Task AcquireAsync(string subscription, CancellationToken cancellationToken)
    {
        SubscriptionOwner? first = null;
        while (await ClaimAsync(subscription, cancellationToken) is { } owner && owner.Id != _id)
        {
            if (first?.Id == owner.Id && first.RenewedMicros != owner.RenewedMicros)
            {
                throw new SubscriptionTakenException(subscription, owner.Process);
            }

            if (ProcessIdentity.HasEnded(owner))
            {
                await _store.ReleaseAsync(subscription, owner.Id, cancellationToken);
                continue;
            }

            if (first?.Id != owner.Id)
            {
                LogWaiting(_logger, subscription, owner.Process, _timeToLive.TotalSeconds);
                first = owner;
            }

            await Task.Delay(PollInterval, _time, cancellationToken);
        }
    }

    private ValueTask<SubscriptionOwner?> ClaimAsync(string subscription, CancellationToken cancellationToken) =>
        _store.ClaimAsync(subscription, ProcessIdentity.ToOwner(_id, _time.GetUtcNow()), _timeToLive, cancellationToken);

    private async Task RenewAsync()
    {
        try
        {
            while (true)
            {
                await Task.Delay(RenewInterval, _time, _stopping.Token);
                await RenewOnceAsync();
            }
        }
        catch (OperationCanceledException)
        {
            // It ends.
        }
        catch (SubscriptionTakenException taken)
        {
            _lost.SetException(taken);
        }
    }

    private async Task RenewOnceAsync()
    {
        foreach (var subscription in _subscriptions)
        {
            try
            {
                if (await ClaimAsync(subscription, _stopping.Token) is { } owner && owner.Id != _id)
                {
                    throw new SubscriptionTakenException(subscription, owner.Process);
                }
            }
            catch (StoreUnavailableException)
            {
                // The store reports that by itself. Nobody else can write a record meanwhile.
            }
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "{Subscription} was joined by {Owner}. This process waits until that one is seen to run or its record in the store has expired, after {Seconds} s at most")]
    private static partial void LogWaiting(ILogger logger, string subscription, string owner, double seconds);

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "The record that this process joins the subscriptions was not deleted and expires after {Seconds} s; until then another machine waits: {Error}")]
    private static partial void LogNotReleased(ILogger logger, double seconds, string error);
}
