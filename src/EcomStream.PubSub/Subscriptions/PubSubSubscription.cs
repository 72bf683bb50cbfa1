using System.Runtime.CompilerServices;
using System.Threading.Channels;
using EcomStream.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub;

/// <summary>
/// A Pub/Sub subscription over StreamingPull: one or more streams that are opened again when they end, one bound on
/// what is outstanding over all of them, leases that are extended until a message is settled, and acks in batches.
/// </summary>
public sealed class PubSubSubscription : ISubscription
{
    private readonly SubscriptionCalls _calls;
    private readonly GrpcChannel _channel;
    private readonly FlowControl _flow;
    private readonly LeaseKeeper _leases;
    private readonly Settler _settler;
    private readonly StreamSet _streams;
    private readonly BrokerProbe _probe;
    private readonly CancellationTokenSource _disposing = new();
    private Task _receiving = Task.CompletedTask;
    private int _enumerating;
    private int _disposed;

    /// <summary>Makes a subscription; nothing is sent before it is enumerated.</summary>
    /// <param name="connection">The connection; it is not disposed with the subscription.</param>
    /// <param name="name">Its short name in the configured project, or its full name.</param>
    public PubSubSubscription(PubSubConnection connection, string name)
    {
        var settings = connection.Settings;
        _channel = connection.OpenChannel();
        _calls = SubscriptionCalls.Of(connection, name, _channel, connection.Loggers.CreateLogger<PubSubSubscription>());
        _flow = new FlowControl(settings.Subscriber.MaxOutstandingMessages, settings.Subscriber.MaxOutstandingBytes);
        _leases = new LeaseKeeper(_calls, _flow);
        _settler = new Settler(_calls, _leases, _flow);
        var clientId = Guid.NewGuid().ToString();
        _streams = new StreamSet(_calls, _flow, _leases, _settler, clientId);
        _probe = new BrokerProbe(_calls, clientId, () => _streams.Reopened);
    }

    /// <inheritdoc/>
    public string Name => _calls.Name;

    /// <inheritdoc/>
    public string FullName => _calls.Path;

    /// <inheritdoc/>
    public bool GaveEverythingBack { get; private set; }

    /// <inheritdoc/>
    public event Action<RefusedAcks>? AcksRefused
    {
        add => _settler.AcksRefused += value;
        remove => _settler.AcksRefused -= value;
    }

    /// <inheritdoc/>
    public SubscriptionStatus Status
    {
        get
        {
            var (messages, bytes, isFull) = _flow.Outstanding;
            return new SubscriptionStatus(_streams.AreOpen, messages, bytes, _streams.Openings)
            {
                IsFull = isFull,
                StreamsReopened = _streams.Reopened,
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

        // Ended by the caller, by disposal, or by leaving the enumeration.
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(stop, _disposing.Token);
        var received = Channel.CreateUnbounded<PubSubDelivery[]>(new UnboundedChannelOptions { SingleReader = true });
        var rest = ArraySegment<PubSubDelivery>.Empty;
        _receiving = _streams.RunAsync(received.Writer, ending);
        try
        {
            while (await NextAsync(received.Reader, ending.Token) is { } next)
            {
                rest = next;
                while (rest.Count > 0 && await HandOutAsync(rest, ending.Token) is var (skipped, count) && skipped + count > 0)
                {
                    var batch = rest.Slice(skipped, count);
                    rest = rest[(skipped + count)..];
                    if (count > 0)
                    {
                        yield return batch.Count == next.Length ? next : new ArraySegment<Delivery>(next, batch.Offset, batch.Count);
                    }
                }
            }

            // Nobody asked it to end: a stream has failed for good and ended the others.
            if (!stop.IsCancellationRequested && !_disposing.IsCancellationRequested)
            {
                await _receiving;
            }
        }
        finally
        {
            await ending.CancelAsync();
            await _receiving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _flow.GiveBack(rest);
            while (received.Reader.TryRead(out var unseen))
            {
                _flow.GiveBack(unseen);
            }

            _streams.Finish();
            Volatile.Write(ref _enumerating, 0);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<SubscriptionProbe> ProbeAsync(CancellationToken cancellationToken)
    {
        var answer = await _probe.RunAsync(cancellationToken);
        return answer.Backlog is { } backlog && _flow.Outstanding.Messages >= backlog.UnackedMessages
            ? answer with { ReceivedMessages = CountReceived() }
            : answer;
    }

    /// <inheritdoc/>
    public OutstandingMessage? OldestOutstanding()
    {
        OutstandingMessage? oldest = null;
        foreach (var delivery in _leases.Open())
        {
            if (oldest is not { } known || delivery.PublishTimeMicros < known.PublishTimeMicros)
            {
                oldest = new OutstandingMessage(delivery.MessageId, delivery.PublishTimeMicros);
            }
        }

        return oldest;
    }

    /// <inheritdoc/>
    public Task FlushAsync(CancellationToken cancellationToken) => _settler.FlushAsync(cancellationToken);

    /// <summary>Completes when nothing is outstanding.</summary>
    internal Task WhenSettledAsync(CancellationToken cancellationToken) => _flow.WaitUntilEmptyAsync(cancellationToken).AsTask();

    /// <summary>
    /// Ends the receiving, sends the acks that are still to be sent, and gives back everything that is not settled, so
    /// that another client gets it at once. Each takes at most close-timeout; what a broker that is down does not
    /// take is delivered again when its lease ends.
    /// </summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 1)
        {
            return;
        }

        await _disposing.CancelAsync();
        await _receiving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        var gaveBack = await FlushForCloseAsync("acks");

        // An extension on its way would lease again what is nacked.
        await _leases.DisposeAsync();
        foreach (var delivery in _leases.Open().Where(delivery => !delivery.IsLost))
        {
            delivery.Nack();
        }

        gaveBack &= await FlushForCloseAsync("nacks");

        // With a retry policy the broker holds back for a while what was nacked.
        GaveEverythingBack = gaveBack && _streams.EndedCleanly && _leases.Open().Length == 0
            && !_leases.MayHoldOthers && (!_leases.HasNacked || _probe.ReturnsAtOnce);
        await _settler.DisposeAsync();
        _channel.Dispose();
        _disposing.Dispose();
    }

    /// <summary>Whether it is disposed, or about to be.</summary>
    internal bool IsDisposed => Volatile.Read(ref _disposed) != 0;

    /// <summary>
    /// Disposes it when everything is settled, and after max-extension at the latest, when the leases of what is left
    /// have ended.
    /// </summary>
    internal async Task DisposeWhenSettledAsync()
    {
        if (IsDisposed)
        {
            return;
        }

        using var patience = new CancellationTokenSource(_calls.Settings.Subscriber.MaxExtension, _calls.Time);
        using var ending = CancellationTokenSource.CreateLinkedTokenSource(patience.Token, _disposing.Token);
        await WhenSettledAsync(ending.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        await DisposeAsync();
    }

    private static async ValueTask<PubSubDelivery[]?> NextAsync(ChannelReader<PubSubDelivery[]> reader, CancellationToken ending)
    {
        try
        {
            while (await reader.WaitToReadAsync(ending))
            {
                if (reader.TryRead(out var next))
                {
                    return next;
                }
            }
        }
        catch (OperationCanceledException)
        {
            // Stopped.
        }

        return null;
    }

    private async ValueTask<(int Skipped, int Count)> HandOutAsync(ArraySegment<PubSubDelivery> rest, CancellationToken ending)
    {
        try
        {
            return ending.IsCancellationRequested ? (0, 0) : await _flow.HandOutAsync(rest, ending);
        }
        catch (OperationCanceledException)
        {
            return (0, 0);
        }
    }

    private async Task<bool> FlushForCloseAsync(string what)
    {
        using var patience = new CancellationTokenSource(_calls.Settings.Subscriber.CloseTimeout, _calls.Time);
        try
        {
            await _settler.FlushAsync(patience.Token);
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
            return false;
        }
    }

    private int? CountReceived()
    {
        var open = _leases.Open();
        return open.Length == _flow.Outstanding.Messages
            ? open.Where(delivery => delivery is { IsSettled: false, IsLost: false }).Select(delivery => delivery.MessageId).Distinct().Count()
            : null;
    }
}
