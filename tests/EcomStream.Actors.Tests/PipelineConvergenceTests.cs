using EcomStream.Core;
using EcomStream.Testing;
using EcomStream.TestSupport;

namespace EcomStream.Actors.Tests;

/// <summary>
/// Hundreds of orders at once through the whole pipeline: messages in any order, delivered more than once, a store and
/// a broker that fail now and then, actors that are passivated all the time. What must come out is known from the
/// messages alone.
/// </summary>
public sealed class PipelineConvergenceTests
{
    private const int Orders = 400;
    private const long NoPayment = -1;

    // Everything is small, so that every bound is met: batches, live orders, waiting payments.
    private const string Tight =
        """
        ecomstream {
          join { shards = 2, max-live-orders = 40, max-vacant = 5 }
          unmatched { grace = 100ms, park-after = 50ms, max-parked = 10, sweep-interval = 20ms, sweep-batch = 50, watermark-idle = 50ms }
          writer { batch-size = 7, linger = 2ms, max-in-flight = 3, min-backoff = 2ms, max-backoff = 10ms }
          dead-letters { batch-size = 5, min-backoff = 2ms, max-backoff = 10ms }
        }
        """;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task Whatever_the_order_of_delivery_and_the_failures_the_rows_follow_from_the_messages(int seed)
    {
        var random = new Random(seed);
        var messages = Messages(random);
        var (store, faults) = (new InMemoryFactStore(), new Faults(seed));
        await using var pipeline = Start(store, faults);
        foreach (var chunk in Shuffled(random, messages).Chunk(20))
        {
            Publish(pipeline, random, chunk);
            if (random.Next(4) == 0)
            {
                await Task.Yield();
            }
        }

        await pipeline.Drained();
        await Settled(store, messages);

        // One that was given up may be superseded later; for one reason it is published once, however often it came.
        pipeline.Publisher.Published
            .Select(p => (p.Message.Attributes[DeadLetter.Id], p.Message.Attributes[DeadLetter.Reason]))
            .ShouldBeUnique();
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    public async Task A_process_that_is_killed_again_and_again_loses_nothing_that_it_acked(int seed)
    {
        const int Kills = 5;
        var random = new Random(seed);
        var messages = Messages(random);
        var (store, faults) = (new InMemoryFactStore(), new Faults(seed));
        var fresh = new Queue<Message[]>(Shuffled(random, messages).Chunk((messages.Count / (Kills + 1)) + 1));
        List<Message> unacked = [];
        for (var kill = 0; kill < Kills; kill++)
        {
            await using var process = Start(store, faults);
            var deliveries = Publish(process, random, [.. unacked, .. fresh.Dequeue()]);
            var enough = random.Next(1, 80) * deliveries.Count / 100;
            await Eventually.True(() => process.Orders.Acked + process.Payments.Acked >= enough, "some of it is acked");
            await process.CrashAsync();

            // An ack of any delivery is an ack of the message: the broker does not know it any more.
            unacked = [.. deliveries.GroupBy(d => d.Message).Where(copies => !copies.Any(copy => copy.Delivery.IsAcked)).Select(copies => copies.Key)];
        }

        await using var last = Start(store, faults);
        Publish(last, random, [.. unacked, .. fresh.Dequeue()]);
        await last.Drained();
        await Settled(store, messages);
    }

    private static PipelineFixture Start(InMemoryFactStore store, Faults faults)
    {
        store.BeforeCall = operation => operation is not StoreOperation.Initialize && faults.Next()
            ? Task.FromException(new StoreUnavailableException("now and then"))
            : Task.CompletedTask;
        var pipeline = PipelineFixture.Start(Tight, store);
        pipeline.Publisher.BeforeCall = _ => faults.Next()
            ? Task.FromException(new PublishFailedException("now and then"))
            : Task.CompletedTask;
        return pipeline;
    }

    private static async Task Settled(InMemoryFactStore store, List<Message> messages)
    {
        // The assertion behind it says what is different, if anything is at the deadline.
        await Task.WhenAny(Eventually.True(() => Differences(store, messages).Count == 0, "the rows follow from the messages"));
        Differences(store, messages).ShouldBeEmpty();
    }

    private static List<Message> Messages(Random random)
    {
        var messages = new List<Message>();
        var start = DateTimeOffset.UtcNow.AddMinutes(-10).ToUnixTimeMilliseconds() * 1_000;
        for (var order = 1L; order <= Orders; order++)
        {
            var stamps = Enumerable.Range(0, 10).OrderBy(_ => random.Next()).ToArray();
            var orderMessages = random.Next(8) == 0 ? 0 : random.Next(1, 4);
            var payments = random.Next(0, 5);
            for (var i = 0; i < orderMessages + payments; i++)
            {
                var at = start + (order * 1_000) + 1 + stamps[i];
                messages.Add(new Message(order, at, i < orderMessages ? NoPayment : random.Next(1, 4)));
            }
        }

        return messages;
    }

    // Some of them twice, as messages of their own with the same publish time: the copy says the same.
    private static List<(Message Message, InMemoryDelivery Delivery)> Publish(PipelineFixture pipeline, Random random, IEnumerable<Message> messages)
    {
        var deliveries = new List<(Message, InMemoryDelivery)>();
        foreach (var message in messages)
        {
            for (var copies = random.Next(3) == 0 ? 2 : 1; copies > 0; copies--)
            {
                deliveries.Add((message, message.PaymentId == NoPayment
                    ? pipeline.Orders.Publish(Shop.OrderData(message.OrderId, $"at {message.At}"), message.At)
                    : pipeline.Payments.Publish(Shop.PaymentData(message.OrderId, message.PaymentId, $"at {message.At}"), message.At)));
            }
        }

        return deliveries;
    }

    private static List<string> Differences(InMemoryFactStore store, List<Message> messages)
    {
        var differences = new List<string>();
        var facts = store.Facts;
        var unmatched = store.Unmatched.ToDictionary(row => (row.OrderId, row.PaymentKey));
        foreach (var ofOrder in messages.GroupBy(message => message.OrderId))
        {
            var order = ofOrder.Where(m => m.PaymentId == NoPayment).MaxBy(m => m.At);
            var payments = ofOrder.Where(m => m.PaymentId != NoPayment).ToList();
            var newest = payments.MaxBy(m => m.At);
            var row = facts.GetValueOrDefault(ofOrder.Key);
            if (row?.Order?.OrderStatus != (order is null ? null : $"at {order.At}"))
            {
                differences.Add($"order {ofOrder.Key} is {row?.Order?.OrderStatus}, not {order}");
            }

            if (order is not null && row?.Payment?.PaymentStatus != (newest is null ? null : $"at {newest.At}"))
            {
                differences.Add($"order {ofOrder.Key} is paid {row?.Payment?.PaymentStatus}, not {newest}");
            }

            foreach (var other in payments.Where(m => order is null || m.PaymentId != newest!.PaymentId))
            {
                var reason = order is null ? DeadLetterReason.NoMatchingOrder : DeadLetterReason.Superseded;
                var letter = unmatched.GetValueOrDefault((other.OrderId, $"{other.PaymentId}"));
                if (letter is null || letter.State != UnmatchedState.DeadLettered || letter.Reason != reason)
                {
                    differences.Add($"payment {other} is {letter?.State} {letter?.Reason}, not {reason}");
                }
            }

            if (order is not null && newest is not null
                && unmatched.GetValueOrDefault((newest.OrderId, $"{newest.PaymentId}")) is { IsHealable: true } waiting)
            {
                differences.Add($"payment {newest} is joined but {waiting.State}");
            }
        }

        return differences;
    }

    private static List<T> Shuffled<T>(Random random, List<T> items) => [.. items.OrderBy(_ => random.Next())];

    private sealed record Message(long OrderId, long At, long PaymentId);

    /// <summary>One call in twenty fails.</summary>
    private sealed class Faults(int seed)
    {
        private readonly Random _random = new(seed);

        public bool Next()
        {
            lock (_random)
            {
                return _random.Next(20) == 0;
            }
        }
    }
}
