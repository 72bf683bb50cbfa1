using EcomStream.Core;

namespace EcomStream.Simulation;

/// <summary>
/// A subscription at the broker: what is published and not acked, who holds it until when, and the readers. It delivers at
/// least once, in nearly any order, and survives every process.
/// </summary>
/// <param name="world">The world.</param>
/// <param name="name">Its name.</param>
internal sealed class SimulatedSubscription(SimulatedWorld world, string name)
{
    private readonly List<SimulatedMessage> _available = [];
    private readonly List<SubscriptionReader> _readers = [];
    private readonly List<SimulatedMessage> _published = [];
    private bool _isDelivering;

    /// <summary>Its name.</summary>
    public string Name => name;

    /// <summary>Everything that was published to it.</summary>
    public IReadOnlyList<SimulatedMessage> Published => _published;

    /// <summary>Whether everything is acked.</summary>
    public bool IsDrained => _published.All(message => message.IsAcked);

    /// <summary>What the broker would report of its backlog.</summary>
    public SubscriptionBacklog Backlog
    {
        get
        {
            var open = _published.Where(message => !message.IsAcked).ToList();
            return new SubscriptionBacklog(
                open.Count, open.Count == 0 ? 0 : open.Min(message => message.PublishTime), open.Count(message => message.Holder is not null));
        }
    }

    /// <summary>A message was published.</summary>
    public void Add(SimulatedMessage message)
    {
        _published.Add(message);
        _available.Add(message);
        Deliver();
    }

    /// <summary>A stream was opened.</summary>
    public void Open(SubscriptionReader reader)
    {
        _readers.Add(reader);
        Deliver();
    }

    /// <summary>A stream is closed, or lost: what it holds stays leased.</summary>
    public void Close(SubscriptionReader reader) => _readers.Remove(reader);

    /// <summary>A reader asks for more.</summary>
    public void Deliver()
    {
        if (_isDelivering || _available.Count == 0 || _readers.Count == 0)
        {
            return;
        }

        _isDelivering = true;
        world.Loop.After(world.Delay(Scenario.Millisecond), $"{name}: the broker delivers", () =>
        {
            _isDelivering = false;
            DeliverNow();
        });
    }

    /// <summary>A reader that is not ours takes messages and dies.</summary>
    public void TakeAndDie(int most)
    {
        var (thief, random) = (new object(), world.Loop.Random);
        for (var i = 0; i < most && _available.Count > 0; i++)
        {
            var message = Take(random.Next(_available.Count));
            world.Note($"{name}: another reader takes {message} and dies");
            Lease(message, thief, 1 + random.NextInt64(world.Scenario.Lease));
        }
    }

    /// <summary>The lease is extended, if the reader still holds the message.</summary>
    public void Extend(SimulatedMessage message, object holder)
    {
        if (ReferenceEquals(message.Holder, holder) && !message.IsAcked)
        {
            message.HeldUntil = world.Loop.Now + world.Scenario.Lease;
        }
    }

    /// <summary>An ack arrives.</summary>
    public void Ack(SimulatedMessage message, object holder)
    {
        // Of a lease that has run out it counts or not, as the service says.
        if (ReferenceEquals(message.Holder, holder) || Scenario.Chance(world.Loop.Random, 0.5))
        {
            message.IsAcked = true;
            message.Holder = null;
            _available.Remove(message);
        }
    }

    /// <summary>A nack arrives.</summary>
    public void Nack(SimulatedMessage message, object holder)
    {
        if (ReferenceEquals(message.Holder, holder))
        {
            Return(message);
        }
    }

    /// <summary>The messages of an order are delivered again, as after a seek to the time before they were published.</summary>
    public void Seek(long orderId)
    {
        foreach (var message in _published.Where(message => message.OrderId == orderId && message.IsAcked))
        {
            message.IsAcked = false;
            Return(message);
        }
    }

    /// <summary>The broker starts again: leases and streams are gone.</summary>
    public void Restart()
    {
        foreach (var reader in _readers.ToArray())
        {
            reader.LoseStream();
        }

        foreach (var message in _published.Where(message => !message.IsAcked && message.Holder is not null))
        {
            Return(message);
        }
    }

    private void DeliverNow()
    {
        var random = world.Loop.Random;
        var open = _readers.Where(reader => reader.Room > 0).ToList();
        if (open.Count == 0 || _available.Count == 0)
        {
            return;
        }

        var reader = open[random.Next(open.Count)];
        var count = Math.Min(Math.Min(1 + random.Next(10), reader.Room), _available.Count);
        var batch = new List<SimulatedDelivery>(count);
        for (var i = 0; i < count && _available.Count > 0; i++)
        {
            var message = Take(Scenario.Chance(random, world.Scenario.ReorderShare) ? random.Next(_available.Count) : 0);
            var delivery = new SimulatedDelivery(reader, message);
            Lease(message, delivery, world.Scenario.Lease);
            batch.Add(delivery);
            if (Scenario.Chance(random, world.FaultShare(world.Scenario.DuplicateShare)))
            {
                Return(message);
            }
        }

        reader.Send(batch);
        Deliver();
    }

    private SimulatedMessage Take(int index)
    {
        var message = _available[index];
        _available.RemoveAt(index);
        return message;
    }

    private void Lease(SimulatedMessage message, object holder, long duration)
    {
        (message.Holder, message.HeldUntil) = (holder, world.Loop.Now + duration);
        Watch();

        void Watch() => world.Loop.After(message.HeldUntil - world.Loop.Now, "", () =>
        {
            if (!ReferenceEquals(message.Holder, holder) || message.IsAcked)
            {
                return;
            }

            if (message.HeldUntil > world.Loop.Now)
            {
                Watch();
            }
            else
            {
                world.Note($"{name}: the lease of {message} has run out");
                Return(message);
            }
        });
    }

    private void Return(SimulatedMessage message)
    {
        message.Holder = null;
        if (!_available.Contains(message))
        {
            _available.Add(message);
        }

        Deliver();
    }
}
