using Google.Cloud.PubSub.V1;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub;

/// <summary>
/// Extends the leases of everything received and not settled, a whole response at a time and long before the deadline,
/// so that a slow store causes no redelivery. There is no timer per message.
/// </summary>
internal sealed class LeaseKeeper : IAsyncDisposable
{
    private const int IdsPerRequest = 2_500;

    private readonly PubSubConnection _connection;
    private readonly PubSubSettings _settings;
    private readonly string _subscription;
    private readonly ILogger _logger;
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _stop = new();
    private readonly Task _loop;
    private List<LeasedBatch> _batches = [];

    public LeaseKeeper(PubSubConnection connection, string subscription, ILogger logger)
    {
        _connection = connection;
        _settings = connection.Settings;
        _subscription = subscription;
        _logger = logger;
        _loop = Task.Run(Loop);
    }

    public void Add(LeasedBatch batch)
    {
        lock (_lock)
        {
            _batches.Add(batch);
        }
    }

    /// <summary>Gives back everything that nobody has settled.</summary>
    public void NackOpen()
    {
        LeasedBatch[] batches;
        lock (_lock)
        {
            batches = [.. _batches];
        }

        foreach (var delivery in batches.SelectMany(batch => batch.Deliveries))
        {
            delivery.Nack();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
    }

    private async Task Loop()
    {
        // A lease is extended when a third of it has passed and looked at ten times in that: two more extensions can
        // fail before it runs out.
        var extendAfter = _settings.AckDeadline / 3;
        var interval = extendAfter / 10;
        try
        {
            while (true)
            {
                await Task.Delay(interval, _connection.Time, _stop.Token);
                await Extend(Due(extendAfter));
            }
        }
        catch (OperationCanceledException)
        {
            // Disposed.
        }
    }

    private List<LeasedBatch> Due(TimeSpan extendAfter)
    {
        lock (_lock)
        {
            if (_batches.Count > 0)
            {
                _batches = _batches.FindAll(batch => !batch.IsDone && !IsGivenUp(batch));
            }

            return _batches.FindAll(batch => _connection.Time.GetElapsedTime(batch.ExtendedAt) >= extendAfter);
        }
    }

    private bool IsGivenUp(LeasedBatch batch)
    {
        if (_connection.Time.GetElapsedTime(batch.ReceivedAt) <= _settings.MaxExtension)
        {
            return false;
        }

        _logger.LogWarning(
            "{Subscription}: messages received {Minutes:0} minutes ago are not settled; they are no longer extended and will be delivered again (ecomstream.pubsub.subscriber.max-extension)",
            _subscription, _settings.MaxExtension.TotalMinutes);
        return true;
    }

    private async Task Extend(List<LeasedBatch> due)
    {
        var ids = due.SelectMany(batch => batch.Deliveries).Where(delivery => delivery.IsLeased).Select(delivery => delivery.AckId);
        foreach (var chunk in ids.Chunk(IdsPerRequest))
        {
            var request = new ModifyAckDeadlineRequest
            {
                Subscription = _subscription,
                AckDeadlineSeconds = (int)_settings.AckDeadline.TotalSeconds,
            };
            request.AckIds.AddRange(chunk);
            try
            {
                await _connection.Subscriber.ModifyAckDeadlineAsync(
                    request, deadline: _connection.Time.GetUtcNow().UtcDateTime + (_settings.AckDeadline / 6), cancellationToken: _stop.Token);
            }
            catch (RpcException error) when (!_stop.IsCancellationRequested)
            {
                // The batches stay due, so the next round tries again.
                _logger.LogWarning(
                    "{Subscription}: {Count} leases could not be extended: {Status} ({Detail})",
                    _subscription, chunk.Length, error.StatusCode, error.Status.Detail);
                return;
            }
        }

        var now = _connection.Time.GetTimestamp();
        foreach (var batch in due)
        {
            batch.ExtendedAt = now;
        }
    }
}
