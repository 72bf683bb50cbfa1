using Akka.Actor;
using Akka.Configuration;
using EcomStream.Core;
using EcomStream.Testing;
using EcomStream.TestSupport;

namespace EcomStream.Actors.Tests;

/// <summary>
/// A run that gave back everything, and the next one, on a broker that does not report its backlog: whether leases of the
/// last run are waited for, an hour in these tests.
/// </summary>
public sealed class CleanStopTests
{
    private static readonly TimeSpan _lease = TimeSpan.FromHours(1);
    private readonly InMemoryFactStore _store = new();

    [Fact]
    public async Task After_a_clean_stop_the_next_run_waits_for_no_lease()
    {
        await MarkedAsync();
        await using var second = Start();
        await CaughtUp(second);
        await second.DrainAsync();

        // It has stopped cleanly in turn, so the third one waits for none either.
        await using var third = Start();
        await CaughtUp(third);
    }

    [Fact]
    public async Task After_a_crash_leases_are_waited_for()
    {
        await MarkedAsync();
        var crashed = Start();
        await CaughtUp(crashed);
        await crashed.CrashAsync();

        await using var next = Start();
        await WaitsForLeases(next);
    }

    [Fact]
    public async Task A_run_that_still_waited_for_leases_of_the_one_before_records_no_clean_stop()
    {
        await using (var first = Start())
        {
            await WaitsForLeases(first);
            await first.DrainAsync();
        }

        await using var next = Start();
        await WaitsForLeases(next);
    }

    [Fact]
    public async Task A_run_that_could_not_give_back_everything_records_no_clean_stop()
    {
        await MarkedAsync();
        await using (var second = Start())
        {
            await CaughtUp(second);
            _store.BeforeCall = operation => operation == StoreOperation.Write ? Task.FromException(new StoreUnavailableException("down")) : Task.CompletedTask;
            second.Orders.Publish(Shop.OrderData(1));
            await Eventually.True(() => second.Orders.Status.OutstandingMessages == 1, "it is in flight");
            await second.DrainAsync();
        }

        _store.BeforeCall = null;
        await using var next = Start();
        await WaitsForLeases(next);
    }

    [Fact]
    public async Task Where_others_may_read_a_record_is_taken_away_and_not_used()
    {
        await MarkedAsync();
        await using (var shared = Start(isOnlyReader: false))
        {
            await WaitsForLeases(shared);
            await shared.DrainAsync();
        }

        await using var next = Start();
        await WaitsForLeases(next);
    }

    [Fact]
    public async Task A_store_that_fails_while_the_record_is_written_does_not_keep_the_pipeline_from_ending()
    {
        await MarkedAsync();
        await using var second = Start();
        await CaughtUp(second);
        _store.BeforeCall = operation => operation == StoreOperation.SetCleanStop ? Task.FromException(new StoreUnavailableException("down")) : Task.CompletedTask;
        await second.DrainAsync().WaitAsync(TimeSpan.FromSeconds(10));
        _store.BeforeCall = null;

        await using var next = Start();
        await WaitsForLeases(next);
    }

    // As a run leaves it that has waited for the leases.
    private async Task MarkedAsync()
    {
        foreach (var subscription in (string[])["orders-sub", "payments-sub"])
        {
            await _store.SetCleanStopAsync(subscription, default);
        }
    }

    private Run Start(bool isOnlyReader = true) => new(_store, isOnlyReader);

    private static Task CaughtUp(Run run) => Eventually.True(() => run.Watermark.IsCaughtUp, "the watermark moves");

    private static Task WaitsForLeases(Run run) => Eventually.True(() => run.Watermark.Hold == WatermarkHold.Leases, "leases are waited for");

    private sealed class Run : IAsyncDisposable
    {
        private readonly ActorSystem _system = ActorSystem.Create("clean", ConfigurationFactory.ParseString(
            "akka.loglevel = OFF, akka.coordinated-shutdown.run-by-actor-system-terminate = off, ecomstream { unmatched.watermark-idle = 100ms, ingest.probe-interval = 20ms, shutdown-timeout = 5s }"));

        private readonly EcomStreamPipeline _pipeline;

        public Run(InMemoryFactStore store, bool isOnlyReader)
        {
            Orders = Subscription("orders-sub");
            _pipeline = EcomStreamPipeline.Start(
                _system, new EcomStreamPorts(store, Orders, Subscription("payments-sub"), new InMemoryPublisher()) { IsOnlyReader = isOnlyReader });
        }

        public InMemorySubscription Orders { get; }

        public WatermarkReading Watermark => _pipeline.Monitors[0].Read();

        public Task DrainAsync() => _pipeline.DrainAsync();

        public Task CrashAsync() => _system.Terminate();

        public async ValueTask DisposeAsync()
        {
            await _pipeline.DrainAsync();
            await _system.Terminate();
        }

        private static InMemorySubscription Subscription(string name)
        {
            var subscription = new InMemorySubscription(name);
            subscription.OnProbe = () => Task.FromResult(new SubscriptionProbe(Timestamps.Micros(DateTimeOffset.UtcNow), _lease, Backlog: null));
            return subscription;
        }
    }
}
