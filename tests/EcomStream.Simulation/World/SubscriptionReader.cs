using System.Runtime.CompilerServices;
using EcomStream.Core;

namespace EcomStream.Simulation;

/// <summary>A process's end of a subscription: the adapter of the port, with one stream to the broker.</summary>
internal sealed class SubscriptionReader : ISubscription
{
    private readonly SimulatedWorld _world;
    private readonly SimulatedProcess _process;
    private readonly SimulatedSubscription _subscription;
    private readonly Queue<IReadOnlyList<Delivery>> _arrived = new();
    // With whether its settlement has not been asked for.
    private readonly Dictionary<SimulatedDelivery, bool> _outstanding = [];
    private TaskCompletionSource? _wanted;
    private bool _isOpen;
    private bool _isReading;
    private bool _losesNextBatch;

    // Something is leased to this reader, or may be, that it does not give back.
    private bool _hasLost;
    private int _sent;
    private int _settling;
    private long _lastArrival;
    private long _stalledUntil;
    private long _streams;

    public SubscriptionReader(SimulatedWorld world, SimulatedProcess process, SimulatedSubscription subscription)
    {
        (_world, _process, _subscription) = (world, process, subscription);
        Extend();
    }

    public string Name => _subscription.Name;

    public SubscriptionStatus Status => new(_isOpen, _outstanding.Count, 0, _streams) 
    {
        IsFull = _outstanding.Count >= _world.Scenario.MaxOutstanding,
        StreamsReopened = Math.Max(0, _streams - 1),
    };

    /// <summary>Messages that it can take.</summary>
    public int Room => _world.Scenario.MaxOutstanding - _outstanding.Count - _sent;

    public async IAsyncEnumerable<IReadOnlyList<Delivery>> ReceiveAsync([EnumeratorCancellation] CancellationToken stop)
    {
        _isReading = true;
        using var stopping = stop.Register(() => _wanted?.TrySetResult());
        OpenStream();
        try
        {
            while (!stop.IsCancellationRequested)
            {
                if (_arrived.TryDequeue(out var batch))
                {
                    yield return batch;
                    continue;
                }

                _wanted = new TaskCompletionSource();
                await _wanted.Task;
            }
        }
        finally
        {
            _isReading = _isOpen = false;
            _subscription.Close(this);
        }
    }

    public ValueTask<SubscriptionProbe> ProbeAsync(CancellationToken cancellationToken)
    {
        var answer = new TaskCompletionSource<SubscriptionProbe>();
        var cancellation = cancellationToken.Register(() => answer.TrySetCanceled(cancellationToken));
        var streams = _streams;
        _world.Loop.After(ArrivalDelay(), $"{Name}: a probe arrives", () =>
        {
            var scenario = _world.Scenario;
            var probe = new SubscriptionProbe(
                scenario.ReportsBacklog || scenario.TellsTime ? _world.BrokerMicros : null,
                TimeSpan.FromMicroseconds(scenario.Lease),
                scenario.ReportsBacklog ? _subscription.Backlog : null);
            var lost = _world.BrokerIsDown || !_isOpen || streams != _streams;
            _world.Loop.After(
                InOrder(),
                $"{Name}: a probe is answered",
                () =>
                {
                    cancellation.Dispose();
                    if (lost)
                    {
                        answer.TrySetException(new IOException("The broker was not reached."));
                    }
                    else
                    {
                        var received = _outstanding.Where(pair => pair.Value).Select(pair => pair.Key.MessageId).Distinct().Count();
                        answer.TrySetResult(probe with { ReceivedMessages = received });
                    }
                },
                _process);
        });
        return new ValueTask<SubscriptionProbe>(answer.Task);
    }

    public OutstandingMessage? OldestOutstanding() => _outstanding.Count == 0
        ? null
        : _outstanding.Keys.MinBy(delivery => delivery.PublishTimeMicros) is { } oldest ? new OutstandingMessage(oldest.MessageId, oldest.PublishTimeMicros) : null;

    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        while (_settling > 0)
        {
            var later = new TaskCompletionSource();
            _world.Loop.After(Scenario.Millisecond, "", () => later.TrySetResult(), _process);
            await later.Task.WaitAsync(cancellationToken);
        }
    }

    public bool GaveEverythingBack { get; private set; }

    public async ValueTask DisposeAsync()
    {
        foreach (var delivery in _outstanding.Keys.ToArray())
        {
            delivery.Nack();
        }

        await FlushAsync(default);
        GaveEverythingBack = !_hasLost && _sent == 0;
    }

    /// <summary>The broker sends a batch.</summary>
    public void Send(List<SimulatedDelivery> batch)
    {
        var streams = _streams;
        _sent += batch.Count;
        _world.Loop.After(
            InOrder(),
            $"{Name}: {string.Join(", ", batch.Select(delivery => delivery.Message))} arrive",
            () =>
            {
                _sent -= batch.Count;
                if (streams != _streams || !_isReading)
                {
                    // Lost with the stream: the leases run out.
                    _hasLost |= streams == _streams;
                    _subscription.Deliver();
                    return;
                }

                foreach (var delivery in batch)
                {
                    _outstanding.Add(delivery, true);
                }

                _arrived.Enqueue(batch);
                _wanted?.TrySetResult();
            },
            _process);
        if (_losesNextBatch)
        {
            _losesNextBatch = false;
            LoseStream();
        }
    }

    /// <summary>Whether a message of an order is outstanding, or on its way.</summary>
    public bool MayHold(long orderId) => _sent > 0 || _outstanding.Keys.Any(delivery => delivery.Message.OrderId == orderId);

    /// <summary>The stream is lost; another is opened after a while.</summary>
    /// <param name="withNextBatch">Whether it is lost only when a batch is on its way, which is lost with it.</param>
    public void LoseStream(bool withNextBatch = false)
    {
        _losesNextBatch |= withNextBatch;
        if (!_isOpen || withNextBatch)
        {
            return;
        }

        _isOpen = false;
        _streams++;
        _subscription.Close(this);
        _world.Note($"{Name}: the stream is lost");
        _world.Loop.After(_world.Delay(Scenario.Second), $"{Name}: connects again", OpenStream, _process);
    }

    /// <summary>Nothing passes in either direction for a while, and the connection stays.</summary>
    public void Stall(long duration) => _stalledUntil = _world.Loop.Now + duration;

    /// <summary>A delivery was settled.</summary>
    public void Settled(SimulatedDelivery delivery, bool isAck)
    {
        if (isAck)
        {
            _world.Checker.Acked(delivery.Message);
        }

        _settling++;
        _outstanding[delivery] = false;
        var isLost = Scenario.Chance(_world.Loop.Random, _world.FaultShare(_world.Scenario.LostAckShare));
        _world.Loop.After(ArrivalDelay(), $"{Name}: the {(isAck ? "ack" : "nack")} of {delivery.Message} {(isLost ? "is lost" : "arrives")}", () =>
        {
            if (!isLost && isAck)
            {
                _subscription.Ack(delivery.Message, delivery);
            }
            else if (!isLost)
            {
                _subscription.Nack(delivery.Message, delivery);
            }

            // What was lost on the way, the client would have sent again: it knows that it was not taken.
            _hasLost |= isLost;
            _settling--;
            _outstanding.Remove(delivery);
            _subscription.Deliver();
        });
    }

    private void OpenStream()
    {
        if (!_isReading || _isOpen)
        {
            return;
        }

        if (_world.BrokerIsDown)
        {
            _world.Loop.After(Scenario.Second, $"{Name}: connects again", OpenStream, _process);
            return;
        }

        _isOpen = true;
        _streams++;
        _subscription.Open(this);
    }

    private void Extend() => _world.Loop.After(
        _world.Scenario.Lease / 3,
        "",
        () =>
        {
            if (_world.Loop.Now >= _stalledUntil)
            {
                foreach (var delivery in _outstanding.Keys)
                {
                    _subscription.Extend(delivery.Message, delivery);
                }
            }

            Extend();
        },
        _process);

    private long ArrivalDelay() => Math.Max(_world.Delay(_world.Scenario.Latency), _stalledUntil - _world.Loop.Now);

    // What the broker sends on one connection arrives in order.
    private long InOrder()
    {
        _lastArrival = Math.Max(_lastArrival, _world.Loop.Now + ArrivalDelay());
        return _lastArrival - _world.Loop.Now;
    }
}

/// <summary>One delivery of a message to one process.</summary>
/// <param name="reader">The process's reader.</param>
/// <param name="message">The message.</param>
internal sealed class SimulatedDelivery(SubscriptionReader reader, SimulatedMessage message) : Delivery
{
    private bool _isSettled;

    /// <summary>The message.</summary>
    public SimulatedMessage Message => message;

    public override ReadOnlyMemory<byte> Data => message.Data;

    public override IReadOnlyDictionary<string, string> Attributes => message.Attributes;

    public override string MessageId => message.Id;

    public override long PublishTimeMicros => message.PublishTime;

    public override string Subscription => reader.Name;

    public override void Ack() => Settle(isAck: true);

    public override void Nack() => Settle(isAck: false);

    private void Settle(bool isAck)
    {
        if (!_isSettled)
        {
            _isSettled = true;
            reader.Settled(this, isAck);
        }
    }
}
