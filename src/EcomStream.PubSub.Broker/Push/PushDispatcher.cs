using System.Collections.Concurrent;
using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.State;
using EcomStream.PubSub.Broker.Topics;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.Push;

/// <summary>Runs a <see cref="PushPump"/> for each subscription that pushes.</summary>
internal sealed class PushDispatcher : IAsyncDisposable
{
    private readonly BrokerState _state;
    private readonly Durability _durability;
    private readonly PushTokens _tokens;
    private readonly TimeProvider _time;
    private readonly ILogger _logger;
    private readonly HttpClient _http;
    private readonly CancellationTokenSource _stop = new();
    private readonly AsyncSignal _changed = new();
    private readonly ConcurrentDictionary<BrokerSubscription, Task> _pumps = new();
    private Task _running = Task.CompletedTask;

    public PushDispatcher(BrokerState state, Durability durability, PushTokens tokens, TimeProvider time, ILogger logger)
    {
        (_state, _durability, _tokens, _time, _logger) = (state, durability, tokens, time, logger);

        // An answer of 3xx is a failure: https://cloud.google.com/pubsub/docs/push#receive_push.
        _http = new HttpClient(new SocketsHttpHandler
        {
            AllowAutoRedirect = false,
            UseCookies = false,
            PooledConnectionLifetime = TimeSpan.FromMinutes(5),
            PlaintextStreamFilter = (context, _) => ValueTask.FromResult<Stream>(new ProcessingResponses(context.PlaintextStream)),
        })
        {
            Timeout = Timeout.InfiniteTimeSpan,
        };
    }

    public void Start()
    {
        _state.SubscriptionsChanged = _changed.Set;
        _changed.Set();
        _running = Task.Run(RunAsync);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _running;
        await Task.WhenAll(_pumps.Values);
        _http.Dispose();
        _stop.Dispose();
    }

    private async Task RunAsync()
    {
        try
        {
            while (true)
            {
                await _changed.WaitAsync(_stop.Token);
                foreach (var subscription in _state.Subscriptions.Where(s => s.Settings is { Push: not null, Detached: false } && !_pumps.ContainsKey(s)))
                {
                    // It is there before it ends, and what ends it signals again.
                    var start = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    _pumps[subscription] = PumpAsync(subscription, start.Task);
                    start.SetResult();
                }
            }
        }
        catch (OperationCanceledException)
        {
            // The broker stops.
        }
    }

    private async Task PumpAsync(BrokerSubscription subscription, Task start)
    {
        await start;
        try
        {
            await new PushPump(subscription, _http, _tokens, _durability, _time, _logger).RunAsync(_stop.Token);
        }
        catch (Exception error)
        {
            _logger.LogError(error, "Pushes of {Subscription} have ended; they begin again when a subscription is changed or the broker starts", subscription.Name);
        }

        _pumps.TryRemove(subscription, out _);
        if (subscription.Settings.Push is not null && !_stop.IsCancellationRequested && _state.FindSubscription(subscription.Name) == subscription)
        {
            // It was changed to push again while the pump ended.
            _changed.Set();
        }
    }
}
