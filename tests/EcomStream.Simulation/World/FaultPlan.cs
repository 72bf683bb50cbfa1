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
        return (world.Scenario.IsAboutLeases ? Scenario.Pick(random, 0, 3, 6, 8, 10, 10) : random.Next(10)) switch
        {
            0 or 1 => ($"the process crashes and starts again after {text}", () =>
            {
                world.Crash();
                Later(duration, "the process starts again", world.StartProcess);
            }),
            2 => ($"SIGTERM, and a start after {text}", () => world.Terminate(() => Later(duration, "the process starts again", world.StartProcess))),
            3 => ($"the process stands still for {text}", () => StandStill(duration)),
            4 => ($"the store is down for {text}", () => world.StopStore(duration)),
            5 => ($"the broker is down for {text}", () => world.StopBroker(duration)),
            6 => ("both streams are lost, now or with the next batch", () => ForEachReader(reader => reader.LoseStream(withNextBatch: Scenario.Chance(world.Loop.Random, 0.7)))),
            7 => ($"the connections carry nothing for {text}", () => ForEachReader(reader => reader.Stall(duration))),
            8 => ("another reader takes messages and dies", () =>
            {
                // Of a broker that does not report its backlog, only what a reader held before the start can be known.
                if (world.Scenario.ReportsBacklog || (world.Process is null && !world.Scenario.IsOnlyReader))
                {
                    world.Orders.TakeAndDie(5);
                    world.Payments.TakeAndDie(5);
                }
            }),
            10 => ($"another reader takes messages while the process starts again, which then stands still for {text}", () =>
            {
                world.Crash();
                world.Orders.TakeAndDie(5);
                world.StartProcess();
                Later(random.NextInt64(world.Scenario.Lease), "the process stands still", () => StandStill(duration));
            }),
            _ => ($"a dead-letter topic is missing for {text}", () =>
            {
                world.MissingTopic = Scenario.Pick(random, "dlq_orders_data", "dlq_payments_data");
                Later(duration, "the topic exists again", () => world.MissingTopic = null);
            }),
        };
    }

    private void StandStill(long duration)
    {
        if (world.Process is { } process)
        {
            process.PausedUntil = Math.Max(process.PausedUntil, world.Loop.Now + duration);
        }
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
