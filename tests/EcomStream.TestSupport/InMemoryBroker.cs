using System.Globalization;
using System.Runtime.CompilerServices;
using System.Threading.Channels;
using EcomStream.Core;

namespace EcomStream.TestSupport;

/// <summary>
/// A subscription in memory under the same contract as a real one: bounded outstanding, redelivery of what is nacked,
/// and a record of every settlement.
/// </summary>
public sealed class InMemorySubscription(string name, TimeProvider? time = null, int maxOutstanding = int.MaxValue) : ISubscription
{
    private readonly Channel<IReadOnlyList<Delivery>> _batches = Channel.CreateUnbounded<IReadOnlyList<Delivery>>();
    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private int _outstanding;
    private int _nextId = 1_000_000;
    private volatile bool _reading;

    public string Name { get; } = name;

    public SubscriptionStatus Status => new(_reading && !Unreadable, Volatile.Read(ref _outstanding), 0);

    /// <summary>Acts as a subscription whose stream is broken: the status says so.</summary>
    public bool Unreadable { get; set; }

    /// <summary>What ends the enumeration when it is set before it starts.</summary>
    public Exception? Failure { get; set; }

    public int Acked;

    public int Nacked;

    /// <summary>Messages published.</summary>
    public int Published;

    /// <summary>Whether everything published was acked.</summary>
    public bool IsDrained => Volatile.Read(ref Acked) == Volatile.Read(ref Published);

    /// <summary>Publishes messages as one batch; each with its own message id and the given publish time, or now.</summary>
    public IReadOnlyList<InMemoryDelivery> Publish(IEnumerable<byte[]> data, long? publishTimeMicros = null)
    {
        var now = publishTimeMicros ?? NowMicros;
        var deliveries = data
            .Select(d => new InMemoryDelivery(this, d, Interlocked.Increment(ref _nextId).ToString(CultureInfo.InvariantCulture), now))
            .ToArray();
        Interlocked.Add(ref Published, deliveries.Length);
        _batches.Writer.TryWrite(deliveries);
        return deliveries;
    }

    /// <summary>Publishes one message.</summary>
    public InMemoryDelivery Publish(byte[] data, long? publishTimeMicros = null) => Publish([data], publishTimeMicros)[0];

    /// <summary>Publishes one message with attributes.</summary>
    public InMemoryDelivery Publish(byte[] data, IReadOnlyDictionary<string, string> attributes, long? publishTimeMicros = null)
    {
        var delivery = new InMemoryDelivery(
            this, data, Interlocked.Increment(ref _nextId).ToString(CultureInfo.InvariantCulture), publishTimeMicros ?? NowMicros, attributes);
        Interlocked.Increment(ref Published);
        _batches.Writer.TryWrite([delivery]);
        return delivery;
    }

    /// <summary>Delivers messages again, as a broker whose lease ran out does; the copies count as published.</summary>
    public void Redeliver(params IEnumerable<InMemoryDelivery> deliveries)
    {
        var copies = deliveries.Select(d => d.Copy()).ToArray();
        Interlocked.Add(ref Published, copies.Length);
        _batches.Writer.TryWrite(copies);
    }

    public async IAsyncEnumerable<IReadOnlyList<Delivery>> ReceiveAsync([EnumeratorCancellation] CancellationToken stop)
    {
        if (Failure is { } failure)
        {
            throw failure;
        }

        _reading = true;
        try
        {
            while (true)
            {
                IReadOnlyList<Delivery> batch;
                try
                {
                    while (Volatile.Read(ref _outstanding) >= maxOutstanding)
                    {
                        await Task.Delay(1, stop);
                    }

                    batch = await _batches.Reader.ReadAsync(stop);
                }
                catch (Exception ended) when (ended is OperationCanceledException or ChannelClosedException)
                {
                    yield break;
                }

                Interlocked.Add(ref _outstanding, batch.Count);
                yield return batch;
            }
        }
        finally
        {
            _reading = false;
        }
    }

    /// <summary>What a round trip to the broker reports; its clock unless set otherwise.</summary>
    public Func<Task<SubscriptionProbe>>? OnProbe { get; set; }

    public async ValueTask<SubscriptionProbe> ProbeAsync(CancellationToken cancellationToken) =>
        OnProbe is { } probe ? await probe() : new SubscriptionProbe(NowMicros, LongestLease: null, Backlog: null);

    public OutstandingMessage? OldestOutstanding() => null;

    public Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    internal void Settled(InMemoryDelivery delivery, bool acked)
    {
        Interlocked.Decrement(ref _outstanding);
        if (acked)
        {
            Interlocked.Increment(ref Acked);
        }
        else
        {
            Interlocked.Increment(ref Nacked);
            Interlocked.Decrement(ref Published);
            Redeliver(delivery);
        }
    }

    private long NowMicros => (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
}

/// <summary>One delivery of an <see cref="InMemorySubscription"/>.</summary>
public sealed class InMemoryDelivery(
    InMemorySubscription source,
    byte[] data,
    string messageId,
    long publishTimeMicros,
    IReadOnlyDictionary<string, string>? attributes = null) : Delivery
{
    private int _settled;

    public bool IsAcked { get; private set; }

    public override ReadOnlyMemory<byte> Data => data;

    public override IReadOnlyDictionary<string, string> Attributes => attributes ?? NoAttributes;

    public override string MessageId => messageId;

    public override long PublishTimeMicros => publishTimeMicros;

    public override string Subscription => source.Name;

    public override void Ack()
    {
        if (Interlocked.Exchange(ref _settled, 1) == 0)
        {
            IsAcked = true;
            source.Settled(this, acked: true);
        }
    }

    public override void Nack()
    {
        if (Interlocked.Exchange(ref _settled, 1) == 0)
        {
            source.Settled(this, acked: false);
        }
    }

    internal InMemoryDelivery Copy() => new(source, data, messageId, publishTimeMicros, attributes);
}

/// <summary>A publisher that remembers what it was given.</summary>
public sealed class InMemoryPublisher : IPublisher
{
    private readonly Lock _lock = new();
    private readonly List<(string Topic, OutgoingMessage Message)> _published = [];

    /// <summary>Runs before each publish takes effect.</summary>
    public Func<string, Task>? BeforeCall { get; set; }

    /// <summary>Runs before a batch is published, with the batch; what it throws is the result.</summary>
    public Action<string, IReadOnlyList<OutgoingMessage>>? BeforePublish { get; set; }

    public IReadOnlyList<(string Topic, OutgoingMessage Message)> Published
    {
        get
        {
            lock (_lock)
            {
                return [.. _published];
            }
        }
    }

    public async Task<IReadOnlyList<string>> PublishAsync(
        string topic, IReadOnlyList<OutgoingMessage> messages, CancellationToken cancellationToken)
    {
        if (BeforeCall is { } hook)
        {
            await hook(topic);
        }

        BeforePublish?.Invoke(topic, messages);

        lock (_lock)
        {
            _published.AddRange(messages.Select(message => (topic, message)));
            return [.. messages.Select((_, i) => (_published.Count - messages.Count + i).ToString(CultureInfo.InvariantCulture))];
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
