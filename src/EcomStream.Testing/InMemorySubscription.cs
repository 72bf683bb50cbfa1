using System.Globalization;
using System.Runtime.CompilerServices;
using System.Text;
using System.Threading.Channels;
using EcomStream.Core;

namespace EcomStream.Testing;

/// <summary>
/// A subscription in memory under the same contract as a real one: bounded outstanding, redelivery of what is nacked,
/// and a record of every settlement.
/// </summary>
/// <param name="name">Its name.</param>
/// <param name="time">The broker's clock, which gives the publish times; that of the machine when left out.</param>
/// <param name="maxOutstanding">No further batch is handed out while this many messages are not settled.</param>
public sealed class InMemorySubscription(string name, TimeProvider? time = null, int maxOutstanding = int.MaxValue) : ISubscription
{
    private readonly Channel<IReadOnlyList<Delivery>> _batches = Channel.CreateUnbounded<IReadOnlyList<Delivery>>();
    private readonly TimeProvider _time = time ?? TimeProvider.System;
    private int _outstanding;
    private int _acked;
    private int _nacked;
    private int _refusals;
    private int _published;
    private int _nextId = 1_000_000;
    private volatile bool _reading;

    /// <inheritdoc/>
    public string Name { get; } = name;

    /// <inheritdoc/>
    public SubscriptionStatus Status => new(_reading && !Unreadable, Volatile.Read(ref _outstanding), 0);

    /// <inheritdoc/>
    public event Action<RefusedAcks>? AcksRefused;

    /// <summary>
    /// Refuses the next acks, as a broker with exactly-once delivery does when a lease has ended: the messages are delivered
    /// again.
    /// </summary>
    /// <param name="count">How many.</param>
    public void RefuseAcks(int count) => Interlocked.Add(ref _refusals, count);

    /// <summary>Acts as a subscription whose stream is broken: the status says so.</summary>
    public bool Unreadable { get; set; }

    /// <summary>What ends the enumeration when it is set before it starts.</summary>
    public Exception? Failure { get; set; }

    /// <summary>Messages acked so far.</summary>
    public int Acked => Volatile.Read(ref _acked);

    /// <summary>Messages given back so far, and those whose ack was refused.</summary>
    public int Nacked => Volatile.Read(ref _nacked);

    /// <summary>Messages published so far.</summary>
    public int Published => Volatile.Read(ref _published);

    /// <summary>Whether everything published was acked.</summary>
    public bool IsDrained => Acked == Published;

    /// <summary>Publishes messages as one batch; each with its own message id and the given publish time, or now.</summary>
    public IReadOnlyList<InMemoryDelivery> Publish(IEnumerable<byte[]> data, long? publishTimeMicros = null)
    {
        var now = publishTimeMicros ?? NowMicros;
        var deliveries = data
            .Select(d => new InMemoryDelivery(this, d, Interlocked.Increment(ref _nextId).ToString(CultureInfo.InvariantCulture), now))
            .ToArray();
        Interlocked.Add(ref _published, deliveries.Length);
        _batches.Writer.TryWrite(deliveries);
        return deliveries;
    }

    /// <summary>Publishes a message whose data is a text, such as JSON.</summary>
    public InMemoryDelivery Publish(string text, long? publishTimeMicros = null) => Publish(Encoding.UTF8.GetBytes(text), publishTimeMicros);

    /// <summary>Publishes one message.</summary>
    public InMemoryDelivery Publish(byte[] data, long? publishTimeMicros = null) => Publish([data], publishTimeMicros)[0];

    /// <summary>Publishes one message with attributes.</summary>
    public InMemoryDelivery Publish(byte[] data, IReadOnlyDictionary<string, string> attributes, long? publishTimeMicros = null)
    {
        var delivery = new InMemoryDelivery(
            this, data, Interlocked.Increment(ref _nextId).ToString(CultureInfo.InvariantCulture), publishTimeMicros ?? NowMicros, attributes);
        Interlocked.Increment(ref _published);
        _batches.Writer.TryWrite([delivery]);
        return delivery;
    }

    /// <summary>Delivers messages again, as a broker whose lease ran out does; the copies count as published.</summary>
    public void Redeliver(params IEnumerable<InMemoryDelivery> deliveries)
    {
        var copies = deliveries.Select(d => d.Copy()).ToArray();
        Interlocked.Add(ref _published, copies.Length);
        _batches.Writer.TryWrite(copies);
    }

    /// <inheritdoc/>
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

    /// <inheritdoc/>
    public async ValueTask<SubscriptionProbe> ProbeAsync(CancellationToken cancellationToken) =>
        OnProbe is { } probe ? await probe() : new SubscriptionProbe(NowMicros, LongestLease: null, Backlog: null);

    /// <inheritdoc/>
    public OutstandingMessage? OldestOutstanding() => null;

    /// <inheritdoc/>
    public Task FlushAsync(CancellationToken cancellationToken) => Task.CompletedTask;

    /// <inheritdoc/>
    public bool GaveEverythingBack => Volatile.Read(ref _outstanding) == 0;

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    /// <summary>Whether nothing is left that a reader could take now.</summary>
    internal bool IsHandedOut => !_reading || _batches.Reader.Count == 0 || Volatile.Read(ref _outstanding) >= maxOutstanding;

    internal AckResult Settled(InMemoryDelivery delivery, bool acked)
    {
        Interlocked.Decrement(ref _outstanding);
        if (acked && Interlocked.Decrement(ref _refusals) < 0)
        {
            Interlocked.Increment(ref _refusals);
            Interlocked.Increment(ref _acked);
            return AckResult.Accepted;
        }

        Interlocked.Increment(ref _nacked);
        Interlocked.Decrement(ref _published);
        if (acked)
        {
            AcksRefused?.Invoke(new RefusedAcks(Name, [delivery], "The lease has ended."));
        }

        Redeliver(delivery);
        return acked ? AckResult.Refused : AckResult.Unknown;
    }

    private long NowMicros => (_time.GetUtcNow() - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;
}
