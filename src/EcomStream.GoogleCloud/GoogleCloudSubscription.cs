using System.Runtime.CompilerServices;
using System.Threading.Channels;
using EcomStream.Core;
using EcomStream.PubSub;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging;

namespace EcomStream.GoogleCloud;

/// <summary>
/// A Pub/Sub subscription over Google's SubscriberClient, whose callbacks become batches of deliveries. It uses its own TCP
/// connection, with the addresses, credentials and options of <see cref="PubSubConnection"/>.
/// </summary>
public sealed class GoogleCloudSubscription : ISubscription
{
    private const int MostInOneBatch = 1_000;

    // How often it is looked whether the client has taken what arrived before a probe.
    private static readonly TimeSpan _probePoll = TimeSpan.FromMilliseconds(2);

    private readonly GrpcChannel _channel;
    private readonly SubscriptionCalls _calls;
    private readonly OutstandingLedger _ledger = new();
    private readonly StreamObserver _observer;
    private readonly BrokerProbe _probe;
    private readonly CancellationTokenSource _disposing = new();
    private readonly Lock _lock = new();
    private readonly HashSet<SubscriberSession> _sessions = [];
    private Task _receiving = Task.CompletedTask;
    private int _enumerating;
    private int _disposed;

    /// <summary>Makes a subscription; nothing is sent before it is enumerated.</summary>
    /// <param name="connection">The connection; it is not disposed with the subscription.</param>
    /// <param name="name">Its short name in the configured project, or its full name.</param>
    public GoogleCloudSubscription(PubSubConnection connection, string name)
    {
        _channel = connection.OpenChannel();
        _calls = SubscriptionCalls.Of(connection, name, _channel, connection.Loggers.CreateLogger<GoogleCloudSubscription>());
        _observer = new StreamObserver(_calls, _ledger);
        _probe = new BrokerProbe(_calls, clientId: "", () => Status.StreamsReopened);
    }

    /// <inheritdoc/>
    public string Name => _calls.Name;

    /// <inheritdoc/>
    public string FullName => _calls.Path;

    /// <inheritdoc/>
    public bool GaveEverythingBack { get; private set; }

    /// <inheritdoc/>
    public event Action<RefusedAcks>? AcksRefused;

    /// <inheritdoc/>
    public SubscriptionStatus Status
    {
        get
        {
            var subscriber = _calls.Settings.Subscriber;
            var (messages, bytes) = _ledger.Outstanding;
            var (open, openings) = Volatile.Read(ref _enumerating) == 1 ? _observer.Streams : default;
            return new SubscriptionStatus(open >= subscriber.Streams, messages, bytes, openings)
            {
                StreamsReopened = Math.Max(0, openings - subscriber.Streams),
                IsFull = messages >= subscriber.MaxOutstandingMessages || bytes >= subscriber.MaxOutstandingBytes,
            };
        }
    }

    /// <inheritdoc/>
    /// <exception cref="InvalidOperationException">Another enumeration is under way.</exception>
    public async IAsyncEnumerable<IReadOnlyList<Delivery>> ReceiveAsync([EnumeratorCancellation] CancellationToken stop)
    {
        ObjectDisposedException.ThrowIf(_disposed != 0, this);
        if (Interlocked.Exchange(ref _enumerating, 1) == 1)
        {
            throw new InvalidOperationException($"Subscription {Name} is being read already; only one enumeration at a time is allowed.");
        }

        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stop, _disposing.Token);
        var received = Channel.CreateUnbounded<Delivery>(new UnboundedChannelOptions { SingleReader = true });
        _receiving = RunSessionsAsync(received.Writer, ending.Token);
        try
        {
            while (await HasNextAsync(received.Reader, ending.Token))
            {
                var batch = new List<Delivery>();
                while (batch.Count < MostInOneBatch && received.Reader.TryRead(out var delivery))
                {
                    batch.Add(delivery);
                }

                yield return batch;
            }

            if (!stop.IsCancellationRequested && !_disposing.IsCancellationRequested)
            {
                await _receiving;
            }
        }
        finally
        {
            await ending.CancelAsync();
            await _receiving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            while (received.Reader.TryRead(out var unseen))
            {
                unseen.Nack();
            }

            Volatile.Write(ref _enumerating, 0);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<SubscriptionProbe> ProbeAsync(CancellationToken cancellationToken)
    {
        var probe = await _probe.RunAsync(cancellationToken);

        // What came before the answer is in the connection; the client takes one response after the other.
        var since = _calls.Time.GetTimestamp();
        while (!_observer.HasTakenEverything && !Status.IsFull)
        {
            if (_calls.Time.GetElapsedTime(since) > _calls.Settings.Connection.RequestTimeout)
            {
                throw new TimeoutException(
                    $"The client of subscription {_calls.Path} has not taken what arrived within {_calls.Settings.Connection.RequestTimeout} (ecomstream.pubsub.connection.request-timeout).");
            }

            await Task.Delay(_probePoll, _calls.Time, cancellationToken);
        }

        return probe.Backlog is null ? probe : probe with { ReceivedMessages = _ledger.Open().Select(entry => entry.MessageId).Distinct().Count() };
    }

    /// <inheritdoc/>
    public OutstandingMessage? OldestOutstanding() => _ledger.Oldest();

    /// <inheritdoc/>
    public Task FlushAsync(CancellationToken cancellationToken) => _ledger.FlushAsync(cancellationToken);

    /// <summary>
    /// Ends the receiving, lets the client send the acks, and gives back everything that is not settled. Each takes at most
    /// close-timeout; what a broker that is down does not take is delivered again when its lease ends.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 1)
        {
            return;
        }

        await _disposing.CancelAsync();
        await _receiving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var closed = await CloseAsync("acks", _ledger.FlushAsync);
        foreach (var entry in _ledger.Open())
        {
            entry.GiveBack?.Invoke();
        }

        SubscriberSession[] sessions;
        lock (_lock)
        {
            sessions = [.. _sessions];
        }

        closed &= await CloseAsync("nacks", stop => Task.WhenAll(sessions.Select(session => session.Completion)).WaitAsync(stop));
        closed &= await CloseAsync("settlements", stop => Task.WhenAll(sessions.Select(session => session.DisposeAsync().AsTask())).WaitAsync(stop));
        closed &= await CloseAsync("nacks", stop => _observer.WhenEndedAsync().WaitAsync(stop));

        // With a retry policy the broker holds back for a while what was nacked.
        GaveEverythingBack = closed && _ledger.Outstanding.Messages == 0 && _observer.GivenBack.IsEverythingGivenBack(_probe.ReturnsAtOnce);
        _channel.Dispose();
        _disposing.Dispose();
    }

    private static async ValueTask<bool> HasNextAsync(ChannelReader<Delivery> reader, CancellationToken ending)
    {
        try
        {
            return await reader.WaitToReadAsync(ending);
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    // The client repeats most errors itself. After one that it gives up on, a new client is started.
    private async Task RunSessionsAsync(ChannelWriter<Delivery> output, CancellationToken ending)
    {
        try
        {
            for (var failures = 1; !ending.IsCancellationRequested; failures++)
            {
                var session = Start(output);
                try
                {
                    // When the reading is stopped the session goes on without the enumeration.
                    await session.Completion.WaitAsync(ending);
                }
                catch (OperationCanceledException) when (ending.IsCancellationRequested)
                {
                    session.Stop();
                    return;
                }
                catch (RpcException refused) when (!PubSubErrors.IsRetryable(refused))
                {
                    throw PubSubErrors.Reading(_calls.Path, _calls.Settings, _calls.Account, refused);
                }
                catch (Exception lost)
                {
                    var delay = _calls.Settings.Retry.After(failures);
                    _calls.Logger.LogWarning(
                        lost,
                        "The client of subscription {Subscription} on {Endpoint} ended; another one is started in {Delay}",
                        _calls.Path,
                        _calls.Settings.Endpoint,
                        delay);
                    await Task.Delay(delay, _calls.Time, ending).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                }
            }
        }
        finally
        {
            output.TryComplete();
        }
    }

    private SubscriberSession Start(ChannelWriter<Delivery> output)
    {
        var session = new SubscriberSession(_calls, _ledger, _observer, output, refused => AcksRefused?.Invoke(refused));
        lock (_lock)
        {
            _sessions.Add(session);
        }

        _ = ForgetWhenEndedAsync(session);
        return session;
    }

    private async Task ForgetWhenEndedAsync(SubscriberSession session)
    {
        await session.Completion.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        lock (_lock)
        {
            _sessions.Remove(session);
        }

        await session.DisposeAsync();
    }

    private async Task<bool> CloseAsync(string what, Func<CancellationToken, Task> send)
    {
        using var patience = new CancellationTokenSource(_calls.Settings.Subscriber.CloseTimeout, _calls.Time);
        try
        {
            await send(patience.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            _calls.Logger.LogWarning(
                "Not all {What} of subscription {Subscription} reached {Endpoint} within {CloseTimeout}: those messages will be delivered again",
                what,
                _calls.Path,
                _calls.Settings.Endpoint,
                _calls.Settings.Subscriber.CloseTimeout);
        }
        catch (RpcException failed)
        {
            _calls.Logger.LogWarning(failed, "The client of subscription {Subscription} ended with an error", _calls.Path);
        }

        return false;
    }
}
