using System.Buffers;
using System.Text;
using EcomStream.Core;

namespace EcomStream.Host;

/// <summary>In which order the simulator publishes.</summary>
internal enum ProduceSequence
{
    /// <summary>All orders, then all payments.</summary>
    OrdersFirst,

    /// <summary>All payments, then all orders.</summary>
    PaymentsFirst,

    /// <summary>Each payment right after its order.</summary>
    Interleaved,
}

/// <summary>What the simulator publishes. Shares are of the messages, 0 to 1.</summary>
internal sealed record SimulatorOptions
{
    public int Orders { get; init; } = 80;

    public int Payments { get; init; } = 500;

    public int Seed { get; init; } = 1;

    public ProduceSequence Sequence { get; init; } = ProduceSequence.OrdersFirst;

    public double Duplicates { get; init; }

    public double Reordered { get; init; }

    public double Malformed { get; init; }

    public double Orphans { get; init; }
}

/// <summary>A message of the simulator.</summary>
/// <param name="IsOrder">Whether it goes to the orders topic.</param>
/// <param name="Data">Its data.</param>
internal readonly record struct SimulatedMessage(bool IsOrder, byte[] Data);

/// <summary>
/// A shop: orders 1 to N and payments for orders 1 to M with payment_id = order_id + 1000, the same cycle as the
/// public scripts publish. The same options give the same messages.
/// </summary>
internal sealed class Simulator(SimulatorOptions options)
{
    private const long OrphanBase = 1_000_000_000;
    private const int ReorderWindow = 200;

    private static readonly string[] Items = ["Laptop", "Phone", "Book", "Tablet", "Monitor", "Headphones", "Keyboard", "Mouse"];
    private static readonly string[] Addresses = ["123 Main St, City A, Country", "456 Elm St, City B, Country", "789 Oak St, City C, Country"];
    private static readonly string[] OrderStatuses = ["Pending", "Shipped", "Delivered", "Cancelled"];
    private static readonly string[] Methods = ["Credit Card", "Debit Card", "PayPal", "Google Pay", "Apple Pay"];

    private readonly Random _random = new(options.Seed);

    /// <summary>Malformed messages among those that were given out so far.</summary>
    public int Malformed { get; private set; }

    /// <summary>Payments among those that were given out so far whose order is never published.</summary>
    public int Orphans { get; private set; }

    /// <summary>Orders and payments to give out, without what is published beside them or twice.</summary>
    public long Total => (long)options.Orders + options.Payments;

    /// <summary>How many of <see cref="Total"/> were given out so far.</summary>
    public long Given { get; private set; }

    /// <summary>All messages, in the order in which they are published.</summary>
    public IEnumerable<SimulatedMessage> Messages()
    {
        // A reordered message is held back and published after up to so many others.
        var held = new PriorityQueue<SimulatedMessage, int>();
        var position = 0;
        foreach (var message in Plain())
        {
            Given++;
            foreach (var one in WithFaults(message))
            {
                position++;
                while (held.TryPeek(out _, out var due) && due <= position)
                {
                    yield return held.Dequeue();
                }

                if (Happens(options.Reordered))
                {
                    held.Enqueue(one, position + _random.Next(1, ReorderWindow));
                }
                else
                {
                    yield return one;
                }
            }
        }

        while (held.TryDequeue(out var last, out _))
        {
            yield return last;
        }
    }

    private IEnumerable<SimulatedMessage> Plain()
    {
        switch (options.Sequence)
        {
            case ProduceSequence.OrdersFirst:
                return Enumerable.Range(1, options.Orders).Select(Order).Concat(Enumerable.Range(1, options.Payments).Select(Payment));
            case ProduceSequence.PaymentsFirst:
                return Enumerable.Range(1, options.Payments).Select(Payment).Concat(Enumerable.Range(1, options.Orders).Select(Order));
            default:
                return Enumerable.Range(1, Math.Max(options.Orders, options.Payments)).SelectMany(id =>
                    (id <= options.Orders ? new[] { Order(id) } : []).Concat(id <= options.Payments ? [Payment(id)] : []));
        }
    }

    private IEnumerable<SimulatedMessage> WithFaults(SimulatedMessage message)
    {
        yield return message;
        if (Happens(options.Duplicates))
        {
            yield return message;
        }

        if (Happens(options.Malformed))
        {
            Malformed++;
            yield return message with { Data = Broken(message.Data) };
        }

        if (!message.IsOrder && Happens(options.Orphans))
        {
            Orphans++;
            yield return Payment(OrphanBase + Orphans);
        }
    }

    private byte[] Broken(byte[] data) => _random.Next(3) switch
    {
        0 => data[..(data.Length / 2)],
        1 => Encoding.UTF8.GetBytes("""{"item": "no order id"}"""),
        _ => Encoding.UTF8.GetBytes("[1, 2, 3]"),
    };

    private bool Happens(double share) => share > 0 && _random.NextDouble() < share;

    private SimulatedMessage Order(int id)
    {
        var output = new ArrayBufferWriter<byte>(256);
        OrderCodec.Encode(
            new Order
            {
                OrderId = id,
                CustomerId = _random.Next(100, 1_000),
                Item = Pick(Items),
                Quantity = _random.Next(1, 11),
                Price = Math.Round((_random.NextDouble() * 490) + 10, 2),
                ShippingAddress = Pick(Addresses),
                OrderStatus = Pick(OrderStatuses),
                CreationDate = "2024-01-21",
            },
            output);
        return new SimulatedMessage(true, output.WrittenSpan.ToArray());
    }

    private SimulatedMessage Payment(int orderId) => Payment((long)orderId);

    private SimulatedMessage Payment(long orderId)
    {
        var output = new ArrayBufferWriter<byte>(256);
        PaymentCodec.Encode(
            new Payment
            {
                OrderId = orderId,
                PaymentId = orderId + 1_000,
                PaymentMethod = Pick(Methods),
                CardLastFour = _random.Next(10_000).ToString("0000"),
                PaymentStatus = "Completed",

                // The public script puts the order's number where the hour belongs.
                PaymentDatetime = $"2024-01-21T{orderId % 100:00}:01:30Z",
            },
            output);
        return new SimulatedMessage(false, output.WrittenSpan.ToArray());
    }

    private string Pick(string[] of) => of[_random.Next(of.Length)];
}
