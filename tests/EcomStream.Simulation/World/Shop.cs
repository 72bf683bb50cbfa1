using System.Globalization;

namespace EcomStream.Simulation;

/// <summary>Publishes the orders and payments of a scenario.</summary>
/// <param name="world">The world.</param>
internal sealed class Shop(SimulatedWorld world)
{
    /// <summary>Decides everything it will publish, and when.</summary>
    public void Open()
    {
        var scenario = world.Scenario;
        var (left, number) = (scenario.Messages, 0);
        while (left > 0)
        {
            // Each request has choices of its own, so that one can be left out and the others stay what they are.
            var random = new Random(HashCode(number));
            var count = Math.Min(left, Scenario.Pick(random, 1, 1, 1, 3, 10));
            left -= count;
            var isOrders = Scenario.Chance(random, scenario.OrderShare);
            var messages = Enumerable.Range(left, count).Select(mark => New(random, isOrders, mark.ToString(CultureInfo.InvariantCulture))).ToList();
            var subscription = isOrders ? world.Orders : world.Payments;
            var at = random.NextInt64(scenario.Duration);
            if (!scenario.WithoutPublishes.Contains(number++))
            {
                world.Loop.After(at, "the shop publishes", () => world.Publish(subscription, messages));
            }
        }

        scenario.Publishes = number;
    }

    private int HashCode(int number) => unchecked((world.Scenario.Seed * 1_000_003) + number);

    private SimulatedMessage New(Random random, bool isOrder, string mark)
    {
        var scenario = world.Scenario;
        if (Scenario.Chance(random, scenario.MalformedShare))
        {
            return SimulatedMessage.Malformed($"m{mark}");
        }

        var orderId = 1 + random.Next(scenario.Orders);
        return isOrder
            ? SimulatedMessage.Order(orderId, $"o{mark}")
            : SimulatedMessage.Payment(orderId, (orderId * 100) + random.Next(scenario.IdentitiesPerOrder), $"p{mark}");
    }
}
