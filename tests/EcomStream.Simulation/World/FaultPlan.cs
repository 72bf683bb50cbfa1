namespace EcomStream.Simulation;

/// <summary>What goes wrong in a world, and when.</summary>
/// <param name="world">The world.</param>
internal sealed class FaultPlan(SimulatedWorld world)
{
    /// <summary>The longest outage, microseconds.</summary>
    public const long LongestFault = 60 * Scenario.Second;

    /// <summary>Decides them.</summary>
    public void Plan()
    {
        var scenario = world.Scenario;
        for (var i = 0; i < scenario.Faults; i++)
        {
            var random = new Random(unchecked((scenario.Seed * 1_000_033) + i));
            var duration = random.NextInt64(Scenario.Pick(random, Scenario.Second, 10 * Scenario.Second, LongestFault)) + 1;
            var (what, fault) = Fault(random, duration);
            var at = random.NextInt64(scenario.Duration + (20 * Scenario.Second));
            if (!scenario.WithoutFaults.Contains(i))
            {
                world.Loop.After(at, $"fault: {what}", fault);
            }
        }
    }

    private (string What, Action Run) Fault(Random random, long duration)
    {
        var text = Trace.Time(duration);
        return (world.Scenario.IsAboutLeases ? Scenario.Pick(random, 0, 1, 3, 3, 6, 8) : random.Next(10)) switch
        {
            0 or 1 => ($"the process crashes and starts again after {text}", () =>
            {
                world.Crash();
                Later(duration, "the process starts again", world.StartProcess);
            }),
            2 => ($"SIGTERM, and a start after {text}", () => world.Terminate(() => Later(duration, "the process starts again", world.StartProcess))),
            3 => ($"the process stands still for {text}", () =>
            {
                if (world.Process is { } process)
                {
                    process.PausedUntil = world.Loop.Now + duration;
                }
            }),
            4 => ($"the store is down for {text}", () => world.StopStore(duration)),
            5 => ($"the broker is down for {text}", () => world.StopBroker(duration)),
            6 => ("both streams are lost", () => ForEachReader(reader => reader.LoseStream())),
            7 => ($"the connections carry nothing for {text}", () => ForEachReader(reader => reader.Stall(duration))),
            8 => ("another reader takes messages and dies", () =>
            {
                // Of a broker that does not report its backlog, only what a reader held before the start can be known.
                if (world.Scenario.ReportsBacklog || world.Process is null)
                {
                    world.Orders.TakeAndDie(5);
                    world.Payments.TakeAndDie(5);
                }
            }),
            _ => ($"a dead-letter topic is missing for {text}", () =>
            {
                world.MissingTopic = Scenario.Pick(random, "dlq_orders_data", "dlq_payments_data");
                Later(duration, "the topic exists again", () => world.MissingTopic = null);
            }),
        };
    }

    private void ForEachReader(Action<SubscriptionReader> fault)
    {
        foreach (var reader in world.Readers)
        {
            fault(reader);
        }
    }

    private void Later(long delay, string what, Action run) => world.Loop.After(delay, what, run);
}
