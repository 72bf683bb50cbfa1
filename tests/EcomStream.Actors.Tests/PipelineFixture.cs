using Akka.Actor;
using Akka.Configuration;
using EcomStream.Testing;
using EcomStream.TestSupport;

namespace EcomStream.Actors.Tests;

/// <summary>The whole pipeline in an actor system of its own, over ports in memory.</summary>
internal sealed class PipelineFixture : IAsyncDisposable
{
    private readonly ActorSystem _system;
    private bool _hasCrashed;

    private PipelineFixture(ActorSystem system, InMemoryFactStore store, InMemorySubscription? orders, int maxOutstanding)
    {
        _system = system;
        Store = store;
        Orders = orders ?? new InMemorySubscription("orders-sub", maxOutstanding: maxOutstanding);
        Payments = new InMemorySubscription("payments-sub", maxOutstanding: maxOutstanding);
        var heals = EcomStreamSettings.Read(system.Settings.Config).HealFromSubscription is not null;
        Pipeline = EcomStreamPipeline.Start(system, new EcomStreamPorts(store, Orders, Payments, Publisher, heals ? DeadLetterSubscription : null));
    }

    public InMemoryFactStore Store { get; }

    public InMemorySubscription Orders { get; }

    public InMemorySubscription Payments { get; }

    public InMemoryPublisher Publisher { get; } = new();

    /// <summary>Read when the settings name a subscription to heal from.</summary>
    public InMemorySubscription DeadLetterSubscription { get; } = new("dlq_payments_data-sub");

    public EcomStreamPipeline Pipeline { get; }

    /// <summary>Starts a pipeline that is quick to wait and to give up, unless <paramref name="hocon"/> says otherwise.</summary>
    public static PipelineFixture Start(
        string hocon = "", InMemoryFactStore? store = null, int maxOutstanding = int.MaxValue, InMemorySubscription? orders = null)
    {
        var config = ConfigurationFactory.ParseString(hocon)
            .WithFallback(ConfigurationFactory.ParseString(
                """
                akka.loglevel = ERROR
                akka.coordinated-shutdown.run-by-actor-system-terminate = off
                ecomstream.unmatched { grace = 200ms, park-after = 50ms, sweep-interval = 50ms, watermark-idle = 100ms }
                ecomstream.ingest.probe-interval = 20ms
                ecomstream.writer { min-backoff = 10ms, max-backoff = 50ms }
                ecomstream.dead-letters { min-backoff = 10ms, max-backoff = 50ms }
                """))
            .WithFallback(EcomStreamSettings.Reference);
        return new PipelineFixture(ActorSystem.Create("test", config), store ?? new InMemoryFactStore(), orders, maxOutstanding);
    }

    public bool IsDrained => Orders.IsDrained && Payments.IsDrained;

    public Task Drained() => Eventually.True(() => IsDrained, "every message is acked");

    /// <summary>The reasons of the dead letters, by payment id.</summary>
    public IReadOnlyList<(string PaymentId, string Reason)> DeadLetters =>
    [
        .. Publisher.Published.Select(p => (
            p.Message.Attributes.GetValueOrDefault("payment_id", ""), p.Message.Attributes["reason"])),
    ];

    /// <summary>Ends as a process does that is killed: nothing is drained, nothing is given back.</summary>
    public async Task CrashAsync()
    {
        _hasCrashed = true;
        await _system.Terminate();
    }

    public async ValueTask DisposeAsync()
    {
        if (_hasCrashed)
        {
            return;
        }

        await CoordinatedShutdown.Get(_system).Run(CoordinatedShutdown.ClrExitReason.Instance);
    }
}
