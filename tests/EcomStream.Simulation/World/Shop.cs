using System.Globalization;

namespace EcomStream.Simulation;

/// <summary>Publishes the orders and payments of a scenario.</summary>
/// <param name="world">The world.</param>
internal sealed class Shop(SimulatedWorld world)
{
    /// <summary>Decides everything it will publish, and when.</summary>
    public void Open()
    {
        var (scenario, random) = (world.Scenario, world.Loop.Random);
        for (var left = scenario.Messages; left > 0;)
        {
            var count = Math.Min(left, Scenario.Pick(random, 1, 1, 1, 3, 10));
            left -= count;
            var isOrders = Scenario.Chance(random, scenario.OrderShare);
            var messages = Enumerable.Range(left, count).Select(mark => New(isOrders, mark.ToString(CultureInfo.InvariantCulture))).ToList();
            var subscription = isOrders ? world.Orders : world.Payments;
            world.Loop.After(random.NextInt64(scenario.Duration), "the shop publishes", () => world.Publish(subscription, messages));
        }
    }

    private SimulatedMessage New(bool isOrder, string mark)
    {
        var (scenario, random) = (world.Scenario, world.Loop.Random);
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
