using System.Diagnostics;
using EcomStream.Core;

namespace EcomStream.Host;

/// <summary>Publishes what a simulator gives out, in batches and at most at a rate.</summary>
internal sealed class Producer(IPublisher publisher, string ordersTopic, string paymentsTopic)
{
    private const int BatchSize = 500;

    public long PublishedOrders { get; private set; }

    public long PublishedPayments { get; private set; }

    /// <summary>Publishes everything.</summary>
    /// <param name="messages">The messages.</param>
    /// <param name="rate">Messages per second; 0 for as fast as it goes.</param>
    /// <param name="cancellationToken">Stops it between two batches.</param>
    /// <param name="published">Called after each batch; null for nothing.</param>
    public async Task RunAsync(IEnumerable<SimulatedMessage> messages, double rate, CancellationToken cancellationToken, Action? published = null)
    {
        var clock = Stopwatch.StartNew();
        var batchSize = rate > 0 ? (int)Math.Clamp(rate / 50, 1, BatchSize) : BatchSize;
        long sent = 0;

        // Chunks of what comes next, so that orders and payments stay as far apart as the simulator has them.
        foreach (var chunk in messages.Chunk(batchSize))
        {
            cancellationToken.ThrowIfCancellationRequested();
            if (rate > 0)
            {
                var ahead = TimeSpan.FromSeconds(sent / rate) - clock.Elapsed;
                if (ahead > TimeSpan.Zero)
                {
                    await Task.Delay(ahead, cancellationToken);
                }
            }

            var orders = Outgoing(chunk.Where(m => m.IsOrder));
            var payments = Outgoing(chunk.Where(m => !m.IsOrder));
            await Publish(ordersTopic, orders, cancellationToken);
            await Publish(paymentsTopic, payments, cancellationToken);
            PublishedOrders += orders.Count;
            PublishedPayments += payments.Count;
            sent += chunk.Length;
            published?.Invoke();
        }
    }

    private async Task Publish(string topic, List<OutgoingMessage> messages, CancellationToken cancellationToken)
    {
        if (messages.Count > 0)
        {
            await publisher.PublishAsync(topic, messages, cancellationToken);
        }
    }

    private static List<OutgoingMessage> Outgoing(IEnumerable<SimulatedMessage> messages) =>
        [.. messages.Select(m => new OutgoingMessage(m.Data, Delivery.NoAttributes))];
}
