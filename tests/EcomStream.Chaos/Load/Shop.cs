using System.Text.Json;

namespace EcomStream.Chaos.Load;

/// <summary>
/// What the shop publishes, and when: a seed chooses for each order whether its payment is early, late, missing, double,
/// changed or malformed.
/// </summary>
/// <param name="seed">The same seed and first order give the same messages.</param>
/// <param name="firstOrder">The id of the first order, and the number of the first message.</param>
/// <param name="grace">The grace period of the pipeline.</param>
/// <param name="distinctOrders">After so many orders the ids begin again; null for never.</param>
internal sealed class Shop(int seed, long firstOrder, TimeSpan grace, long? distinctOrders = null)
{
    private static readonly string[] _methods = ["Credit Card", "PayPal", "Überweisung"];

    private readonly Random _random = new(unchecked((seed * 1_000_003) + (int)firstOrder));
    private long _orders;
    private long _messages;

    /// <summary>The id after the last one given out.</summary>
    public long NextOrder => firstOrder + (distinctOrders is { } bound ? Math.Min(_orders, bound) : _orders);

    /// <summary>Everything about one more order, each message with the time after which it is published.</summary>
    public IEnumerable<(TimeSpan After, ShopMessage Message)> Next()
    {
        var id = firstOrder + (distinctOrders is { } bound ? _orders % bound : _orders);
        var cycle = distinctOrders is { } length ? _orders / length : 0;
        _orders++;
        var soon = TimeSpan.FromMilliseconds(_random.Next(0, 300));
        var later = TimeSpan.FromMilliseconds(_random.Next(200, 2_000));
        return _random.Next(100) switch
        {
            < 55 => [(TimeSpan.Zero, Order(id, cycle)), (soon, Payment(id, id + 1_000))],
            < 70 => [(TimeSpan.Zero, Payment(id, id + 1_000)), (soon, Order(id, cycle))],
            < 78 => [(TimeSpan.Zero, Payment(id, id + 1_000)), (grace * (0.3 + (_random.NextDouble() * 0.5)), Order(id, cycle))],
            < 82 => [(TimeSpan.Zero, Payment(id, id + 1_000)), (grace + TimeSpan.FromSeconds(1 + (_random.NextDouble() * 2)), Order(id, cycle))],
            < 86 => [(TimeSpan.Zero, Payment(id, id + 1_000))],
            < 90 =>
            [
                (TimeSpan.Zero, Order(id, cycle)), (soon, Payment(id, id + 1_000)),
                (later, Order(id, cycle)), (later + soon, Payment(id, id + 1_000)),
            ],
            < 94 => [(TimeSpan.Zero, Order(id, cycle)), (soon, Payment(id, id + 1_000)), (later, Payment(id, -id - 1))],
            < 96 => [(TimeSpan.Zero, Order(id, cycle))],
            < 98 => Twice(id, cycle, soon),
            98 => [(TimeSpan.Zero, new ShopMessage(true, firstOrder + _messages++, $$"""{"order_id": {{id}}, "item": """))],
            _ => [(TimeSpan.Zero, new ShopMessage(false, firstOrder + _messages++, $$"""{"payment_id": {{id}}}"""))],
        };
    }

    private IEnumerable<(TimeSpan, ShopMessage)> Twice(long id, long cycle, TimeSpan soon)
    {
        var (order, payment) = (Order(id, cycle), Payment(id, id + 1_000));
        return
        [
            (TimeSpan.Zero, order), (TimeSpan.Zero, payment),
            (soon, order with { Number = firstOrder + _messages++ }), (soon, payment with { Number = firstOrder + _messages++ }),
        ];
    }

    // Each message says which one it is, so that a row shows from which message it is.
    private ShopMessage Order(long id, long cycle)
    {
        var number = firstOrder + _messages++;
        return new ShopMessage(true, number, JsonSerializer.Serialize(new
        {
            order_id = id,
            customer_id = 100 + (id % 900),
            item = $"item {number}",
            quantity = 1 + (number % 10),
            price = (number % 10_000) / 100.0,
            shipping_address = $"{id} Main St, Köln",
            order_status = cycle % 2 == 0 ? "Pending" : "Shipped",
            creation_date = "2024-01-21",
        }));
    }

    private ShopMessage Payment(long id, long paymentId)
    {
        var number = firstOrder + _messages++;
        return new ShopMessage(false, number, JsonSerializer.Serialize(new
        {
            payment_id = paymentId,
            order_id = $"{id}",
            payment_method = _methods[number % _methods.Length],
            card_last_four = $"{number % 10_000:0000}",
            payment_status = $"status {number}",
            payment_datetime = $"2024-01-21T{id % 100:00}:01:30Z",
            unknown_field = new { nested = new[] { 1, 2 } },
        }));
    }
}
