using System.Globalization;
using Akka.Configuration;

namespace EcomStream.Simulation;

/// <summary>What a seed chooses before a simulation begins: the load, the settings, the broker, and how much goes wrong.</summary>
internal sealed class Scenario
{
    /// <summary>Makes the scenario of a seed.</summary>
    /// <param name="seed">The seed.</param>
    public Scenario(int seed)
    {
        var random = new Random(seed);
        Seed = seed;
        Orders = Pick(random, 1, 2, 5, 20);
        Messages = Pick(random, 5, 20, 60, 150);
        Duration = Pick(random, 1, 5, 20, 60) * Second;
        OrderShare = Pick(random, 0.3, 0.5, 0.7);
        MalformedShare = Pick(random, 0, 0, 0.05);
        IdentitiesPerOrder = Pick(random, 1, 2, 3);
        Grace = Pick(random, 2, 5, 30) * Second;
        WholeMilliseconds = Chance(random, 0.5);
        ReportsBacklog = Chance(random, 0.5);
        TellsTime = Chance(random, 0.7);
        BrokerClockOffset = Pick(random, 0, 0, -60, 60) * Second;
        ProcessClockOffset = Pick(random, 0, 0, -60, 60) * Second;
        Lease = Pick(random, 10, 10, 30) * Second;
        ReorderShare = Pick(random, 0, 0.1, 0.5);
        DuplicateShare = Pick(random, 0, 0, 0.1);
        LostAckShare = Pick(random, 0, 0, 0.1);
        StoreFaultShare = Pick(random, 0, 0, 0.05, 0.3);
        PublishFaultShare = Pick(random, 0, 0, 0.1);
        Latency = Pick(random, 1, 10, 200) * Millisecond;
        Slowness = Pick(random, 0, 0, 0.01, 0.2);
        MaxOutstanding = Pick(random, 1, 3, 20, 1000);
        Faults = Pick(random, 0, 1, 3, 8);
        if (!ReportsBacklog && Chance(random, 0.4))
        {
            // Crashes, pauses and lost streams, one after the other, of a broker whose leases nobody sees.
            IsAboutLeases = true;
            Grace = Pick(random, 2, 5) * Second;
            Duration = Pick(random, 5, 20, 60) * Second;
            Messages = 60;
            Faults = 8;
        }

        if (!IsAboutLeases && Chance(new Random(seed ^ 0xd15c), 0.15))
        {
            // Payments are dead-lettered long before some of their orders come.
            Discards = 5;
            Grace = 2 * Second;
            Duration = 60 * Second;
            OrderShare = 0.3;
            Replays = 5;
        }
        else if (Chance(new Random(seed ^ 0x4e91), 0.1))
        {
            Replays = 5;
        }

        if (!ReportsBacklog && !TellsTime)
        {
            // As with the emulator: the local clock has to do.
            ProcessClockOffset = Math.Max(ProcessClockOffset, BrokerClockOffset);
        }

        RejectedOrder = Orders >= 5 && MaxOutstanding >= 1000 && !ReportsBacklog && Chance(random, 0.6) ? 1 : 0;
        Settings = Hocon(random);
        IsOnlyReader = !IsAboutLeases && Chance(new Random(seed ^ 0x5eed), 0.5);
    }

    public const long Millisecond = 1_000;

    public const long Second = 1_000_000;

    /// <summary>The seed.</summary>
    public int Seed { get; }

    /// <summary>Whether the process knows that nobody else reads, and relies on it after a clean stop.</summary>
    public bool IsOnlyReader { get; }

    /// <summary>Publish requests that are left out, by number; so that a failure is shown with fewer.</summary>
    public IReadOnlySet<int> WithoutPublishes { get; init; } = new HashSet<int>();

    /// <summary>Faults that are left out, by number.</summary>
    public IReadOnlySet<int> WithoutFaults { get; init; } = new HashSet<int>();

    /// <summary>Publish requests, those that are left out included.</summary>
    public int Publishes { get; set; }

    /// <summary>Order ids in use.</summary>
    public int Orders { get; }

    /// <summary>Messages published.</summary>
    public int Messages { get; }

    /// <summary>The time over which they are published, microseconds.</summary>
    public long Duration { get; }

    /// <summary>Share of the messages that are orders.</summary>
    public double OrderShare { get; }

    /// <summary>Share of the messages that cannot be decoded.</summary>
    public double MalformedShare { get; }

    /// <summary>Payment ids in use for one order.</summary>
    public int IdentitiesPerOrder { get; }

    /// <summary>The grace period, microseconds.</summary>
    public long Grace { get; }

    /// <summary>Whether publish times have milliseconds only.</summary>
    public bool WholeMilliseconds { get; }

    /// <summary>Whether the broker reports its backlog.</summary>
    public bool ReportsBacklog { get; }

    /// <summary>Whether the broker reports its time.</summary>
    public bool TellsTime { get; }

    /// <summary>The broker's clock less the world's, microseconds.</summary>
    public long BrokerClockOffset { get; }

    /// <summary>The process's clock less the world's at the start, microseconds.</summary>
    public long ProcessClockOffset { get; }

    /// <summary>How long a message is leased, microseconds.</summary>
    public long Lease { get; }

    /// <summary>Share of the messages that are delivered out of turn.</summary>
    public double ReorderShare { get; }

    /// <summary>Share of the deliveries that are followed by another of the same message.</summary>
    public double DuplicateShare { get; }

    /// <summary>Share of the acks that get lost.</summary>
    public double LostAckShare { get; }

    /// <summary>Share of the store's calls that fail, some of them after they have taken effect in part or whole.</summary>
    public double StoreFaultShare { get; }

    /// <summary>Share of the publishes of dead letters that fail or are repeated.</summary>
    public double PublishFaultShare { get; }

    /// <summary>The longest ordinary delay of a message on its way, microseconds.</summary>
    public long Latency { get; }

    /// <summary>See <see cref="SimulationLoop.Slowness"/>.</summary>
    public double Slowness { get; }

    /// <summary>Messages of one subscription that a process may hold.</summary>
    public int MaxOutstanding { get; }

    /// <summary>How often an operator discards a dead letter and has its message delivered again.</summary>
    public int Discards { get; }

    /// <summary>How often an operator replays a dead letter of a payment.</summary>
    public int Replays { get; }

    /// <summary>Crashes, outages and so on.</summary>
    public int Faults { get; }

    /// <summary>
    /// An order whose row the store never takes; 0 for none. Only where its messages alone do not fill the subscription: a
    /// row is at fault when the store takes another one meanwhile. And not where the broker reports its backlog: of a message
    /// that was delivered twice and is never settled, the backlog and what is outstanding here differ, which holds the
    /// watermark.
    /// </summary>
    public long RejectedOrder { get; }

    /// <summary>Whether most of what goes wrong has to do with leases.</summary>
    public bool IsAboutLeases { get; }

    /// <summary>The settings of the process.</summary>
    public Config Settings { get; }

    /// <summary>The scenario in one line.</summary>
    public override string ToString() => string.Create(
        CultureInfo.InvariantCulture,
        $"{Messages} messages for {Orders} orders in {Duration / Second} s, grace {Grace / Second} s, lease {Lease / Second} s, faults {Faults}, discards {Discards}, replays {Replays}, {(ReportsBacklog ? "reports its backlog" : "reports no backlog")}, {(TellsTime ? "tells the time" : "tells no time")}, reordered {ReorderShare}, duplicates {DuplicateShare}, lost acks {LostAckShare}, store faults {StoreFaultShare}, publish faults {PublishFaultShare}, slowness {Slowness}, outstanding {MaxOutstanding}, broker clock {BrokerClockOffset / Second} s, own clock {ProcessClockOffset / Second} s, settings {Settings.ToString().ReplaceLineEndings(" ")}");

    /// <summary>One of some values.</summary>
    public static T Pick<T>(Random random, params ReadOnlySpan<T> values) => values[random.Next(values.Length)];

    /// <summary>True with a probability.</summary>
    public static bool Chance(Random random, double probability) => random.NextDouble() < probability;

    private Config Hocon(Random random) => ConfigurationFactory.ParseString(string.Create(
        CultureInfo.InvariantCulture,
        $$"""
        ecomstream {
          join { shards = {{Pick(random, 1, 2, 4)}}, max-live-orders = {{Pick(random, 2, 10, 1000)}}, passivate-after = {{Pick(random, "1s", "60s")}}, max-vacant = {{Pick(random, 1, 100)}} }
          writer { writers = {{Pick(random, 1, 2)}}, batch-size = {{Pick(random, 1, 3, 100)}}, linger = {{Pick(random, "1ms", "10ms")}}, max-in-flight = {{Pick(random, 1, 2)}} }
          unmatched { grace = {{Grace / Second}}s, park-after = {{Pick(random, "50ms", "500ms")}}, max-parked = {{Pick(random, 1, 10, 1000)}}, max-waiting = {{Pick(random, 2, 1000)}}, sweep-batch = {{Pick(random, 1, 1000)}}, full-sweep-interval = 60s, watermark-idle = {{Pick(random, "500ms", "2s")}} }
          dead-letters { batch-size = {{Pick(random, 1, 500)}} }
        }
        """));
}
