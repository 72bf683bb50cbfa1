using Akka.Actor;
using Akka.Configuration;
using EcomStream.Actors;
using EcomStream.Core;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.Testing;

/// <summary>
/// The whole join over ports in memory, on a fake clock: what a test publishes is received, decoded, joined and written
/// as in production, and time passes only when the test says so.
/// </summary>
public sealed class PipelineHarness : IAsyncDisposable
{
    // Twice the linger of the writer at its default, so that what is pending is written within one step.
    private static readonly TimeSpan Step = TimeSpan.FromMilliseconds(20);

    // How long the actors may take, in real time, until they have nothing left to do.
    private static readonly TimeSpan LongestWork = TimeSpan.FromSeconds(30);

    private readonly ActorSystem _system;
    private readonly SystemUnderTest _underTest;
    private readonly bool _ownsSystem;

    private PipelineHarness(ActorSystem system, InMemoryFactStore store, bool ownsSystem)
    {
        _system = system;
        _ownsSystem = ownsSystem;
        Store = store;
        _underTest = TrackingExecutorConfigurator.Systems.GetValueOrDefault(Id(system)) ?? throw new ConfigurationException(
            $"The actor system has no fake clock: give it the configuration that {nameof(PipelineHarness)}.{nameof(Configuration)} returns.");
        Clock = _underTest.Clock;
        Orders = new InMemorySubscription("orders_data-sub", Clock);
        Payments = new InMemorySubscription("payments_data-sub", Clock);
        Pipeline = EcomStreamPipeline.Start(system, new EcomStreamPorts(store, Orders, Payments, Publisher));
    }

    /// <summary>The clock of everything. Move it with <see cref="AdvanceAsync"/>, which lets the actors keep up.</summary>
    public FakeTimeProvider Clock { get; }

    /// <summary>The orders subscription: publish to it.</summary>
    public InMemorySubscription Orders { get; }

    /// <summary>The payments subscription: publish to it.</summary>
    public InMemorySubscription Payments { get; }

    /// <summary>The rows, and hooks that make the store slow or let it fail.</summary>
    public InMemoryFactStore Store { get; }

    /// <summary>The dead letters that were published.</summary>
    public InMemoryPublisher Publisher { get; } = new();

    /// <summary>The pipeline.</summary>
    public EcomStreamPipeline Pipeline { get; }

    /// <summary>
    /// The configuration of an actor system whose pipeline runs on a fake clock: give it to the constructor of a
    /// <c>TestKit</c>, and the system to <see cref="StartAsync(ActorSystem, InMemoryFactStore?)"/>.
    /// </summary>
    /// <param name="hocon">Settings that differ from the defaults.</param>
    public static Config Configuration(string hocon = "")
    {
        var (id, clock) = (Guid.NewGuid().ToString("n"), new FakeTimeProvider(DateTimeOffset.UtcNow));
        TrackingExecutorConfigurator.Systems[id] = new SystemUnderTest(clock);
        const string executor = "\"EcomStream.Testing.TrackingExecutorConfigurator, EcomStream.Testing\"";
        return ConfigurationFactory.ParseString(hocon)
            .WithFallback(ConfigurationFactory.ParseString(
                $$"""
                {{TrackingExecutorConfigurator.Key}} = "{{id}}"
                akka.loglevel = WARNING
                akka.actor.default-dispatcher.executor = {{executor}}
                akka.actor.internal-dispatcher.executor = {{executor}}
                ecomstream.shard-dispatcher.executor = {{executor}}
                ecomstream.io-dispatcher.executor = {{executor}}
                """))
            .WithFallback(TimeProviderScheduler.Use(clock))
            .WithFallback(EcomStreamSettings.Reference);
    }

    /// <summary>Starts a pipeline in an actor system of its own.</summary>
    /// <param name="hocon">Settings that differ from the defaults, such as <c>ecomstream.unmatched.grace = 5s</c>.</param>
    /// <param name="store">The store; an empty one when left out.</param>
    public static async Task<PipelineHarness> StartAsync(string hocon = "", InMemoryFactStore? store = null)
    {
        var system = ActorSystem.Create("ecomstream", Configuration(hocon));
        var harness = new PipelineHarness(system, store ?? new InMemoryFactStore(), ownsSystem: true);
        await harness.StartedAsync();
        return harness;
    }

    /// <summary>Starts a pipeline in the actor system of a <c>TestKit</c>.</summary>
    /// <param name="system">The system, made with <see cref="Configuration"/>.</param>
    /// <param name="store">The store; an empty one when left out.</param>
    /// <exception cref="ConfigurationException">The system was made without it.</exception>
    public static async Task<PipelineHarness> StartAsync(ActorSystem system, InMemoryFactStore? store = null)
    {
        var harness = new PipelineHarness(system, store ?? new InMemoryFactStore(), ownsSystem: false);
        await harness.StartedAsync();
        return harness;
    }

    /// <summary>
    /// Lets time pass, in small steps; after each one the actors do what is due. With
    /// <see cref="TimeSpan.Zero"/> they only finish what they can do now.
    /// </summary>
    /// <param name="time">How long; default: 100 ms, enough for what was published to be written.</param>
    /// <exception cref="TimeoutException">The actors still had work after 30 s of real time.</exception>
    public async Task AdvanceAsync(TimeSpan? time = null)
    {
        var left = time ?? (5 * Step);
        await SettleAsync();
        while (left > TimeSpan.Zero)
        {
            var step = left < Step ? left : Step;
            Clock.Advance(step);
            left -= step;
            await SettleAsync();
        }
    }

    /// <summary>Drains the pipeline and, unless it is a <c>TestKit</c>'s, ends its actor system.</summary>
    public async ValueTask DisposeAsync()
    {
        // Draining waits on the fake clock.
        var drained = Pipeline.DrainAsync();
        while (!drained.IsCompleted)
        {
            await AdvanceAsync(Step);
        }

        await drained;
        if (_ownsSystem)
        {
            var terminated = _system.Terminate();
            while (!terminated.IsCompleted)
            {
                Clock.Advance(Step);
                await Task.Delay(1);
            }
        }

        TrackingExecutorConfigurator.Systems.TryRemove(Id(_system), out _);
    }

    private static string Id(ActorSystem system) => system.Settings.Config.GetString(TrackingExecutorConfigurator.Key, "");

    private async Task StartedAsync()
    {
        while (!Pipeline.Started.IsCompleted)
        {
            await AdvanceAsync(Step);
        }

        await Pipeline.Started;
        await AdvanceAsync();
    }

    // Continuations that run on the thread pool are not counted, so nothing may have begun for several looks in a row.
    private async Task SettleAsync()
    {
        var deadline = Environment.TickCount64 + (long)LongestWork.TotalMilliseconds;
        for (var (quiet, begun) = (0, _underTest.Begun); quiet < 3;)
        {
            await Task.Run(static () => { });
            var now = _underTest.Begun;
            (quiet, begun) = (_underTest.IsIdle && now == begun && Orders.IsHandedOut && Payments.IsHandedOut ? quiet + 1 : 0, now);
            if (quiet == 0)
            {
                await Task.Delay(1);
                if (Environment.TickCount64 > deadline)
                {
                    throw new TimeoutException($"The actors of {_system.Name} still have work after {LongestWork.TotalSeconds:0} s.");
                }
            }
        }
    }
}
