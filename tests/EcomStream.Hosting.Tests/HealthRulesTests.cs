using EcomStream.Actors;
using EcomStream.Core;

namespace EcomStream.Hosting.Tests;

public sealed class HealthRulesTests
{
    private static readonly OperationsSettings _limits = OperationsSettings.Read(HostSettings.Reference);

    private static readonly PipelineObservation _healthy = new()
    {
        IsCreated = true,
        IsStarted = true,
        Subscriptions = [Subscription("orders_data-sub"), Subscription("payments_data-sub")],
        FreeDisk = 1L << 40,
    };

    [Fact]
    public void A_pipeline_that_works_has_no_problems()
    {
        var report = HealthRules.Evaluate(_healthy, _limits);
        report.Problems.ShouldBeEmpty();
        report.IsReady.ShouldBeTrue();
        report.Entries.Select(entry => entry.Name).ShouldBe(HealthRules.Names);
    }

    [Fact]
    public void A_process_that_starts_is_not_ready() =>
        Problem(new PipelineObservation(), "pipeline").ShouldBe((HealthState.Failed, "is starting"));

    [Fact]
    public void A_process_that_stops_is_not_ready_and_its_closed_streams_are_no_problem()
    {
        var stopping = _healthy with
        {
            IsStopping = true,
            Subscriptions = [Subscription("orders_data-sub") with { IsReading = false, ProbeError = "Cannot access a disposed object." }],
        };
        Problem(stopping, "pipeline").ShouldBe((HealthState.Failed, "is stopping"));
        HealthRules.Evaluate(stopping, _limits).Problems.ShouldHaveSingleItem();
    }

    [Fact]
    public void A_stream_that_is_open_and_brings_nothing_is_stalled()
    {
        var stalled = _healthy with
        {
            Subscriptions =
            [
                Subscription("orders_data-sub") with
                {
                    Backlog = 500, Undelivered = 500, BacklogAge = TimeSpan.FromSeconds(31), SinceLastReceived = _limits.StalledAfter,
                },

                // Another one that is being read does not hide it.
                Subscription("payments_data-sub") with { Undelivered = 500 },
            ],
        };
        Problem(stalled, "subscriptions").ShouldBe((HealthState.Failed, "is stalled"));

        // A reader that has taken all that it may, or a broker without more to deliver, is not.
        HealthRules.Evaluate(stalled with { Subscriptions = [stalled.Subscriptions[0] with { IsFull = true }] }, _limits).Problems.ShouldBeEmpty();
        HealthRules.Evaluate(stalled with { Subscriptions = [stalled.Subscriptions[0] with { Undelivered = 0 }] }, _limits).Problems.ShouldBeEmpty();
        HealthRules.Evaluate(
            stalled with { Subscriptions = [stalled.Subscriptions[0] with { SinceLastReceived = _limits.StalledAfter - TimeSpan.FromSeconds(1) }] }, _limits)
            .Problems.ShouldBeEmpty();
    }

    [Fact]
    public void A_broker_that_does_not_answer_is_not_ready() =>
        Problem(_healthy with { Subscriptions = [Subscription("orders_data-sub") with { ProbeError = "no answer within 5 s" }] }, "subscriptions")
            .ShouldBe((HealthState.Failed, "no answer within 5 s"));

    [Fact]
    public void A_full_disk_is_told_apart_from_other_failures_of_the_store()
    {
        var full = _healthy with { Store = new StoreCondition(TimeSpan.FromSeconds(1), new StoreUnavailableException("Writing x.db: the disk is full. Free space."), TimeSpan.Zero) };
        Problem(full, "disk").ShouldBe((HealthState.Failed, "disk is full"));
        HealthRules.Evaluate(full with { Store = full.Store with { Error = new StoreUnavailableException("a lock") } }, _limits).Problems.ShouldHaveSingleItem().Name.ShouldBe("store");
    }

    [Fact]
    public void A_store_that_does_not_answer_at_all_is_not_ready()
    {
        Problem(_healthy with { Store = new StoreCondition(null, null, TimeSpan.FromSeconds(10)) }, "store").ShouldBe((HealthState.Failed, "has not been answered"));
        HealthRules.Evaluate(_healthy with { Store = new StoreCondition(null, null, TimeSpan.FromSeconds(9)) }, _limits).Problems.ShouldBeEmpty();
    }

    [Theory]
    [InlineData(WatermarkHold.NotReading, "the endpoint and the permissions")]
    [InlineData(WatermarkHold.Leases, "Another reader")]
    [InlineData(WatermarkHold.Unconfirmed, "GetSubscription")]
    [InlineData(WatermarkHold.Backlog, "throughput")]
    [InlineData(WatermarkHold.Unsettled, "message 4711")]
    public void A_watermark_that_is_held_too_long_degrades_health_and_names_what_holds_it(WatermarkHold hold, string words)
    {
        var held = new WatermarkReading(null, hold, _limits.MaxWatermarkHold, "4711");
        Problem(_healthy with { Watermark = held }, "watermark").ShouldBe((HealthState.Degraded, words));
        HealthRules.Evaluate(_healthy with { Watermark = held with { HeldFor = held.HeldFor - TimeSpan.FromSeconds(1) } }, _limits).Problems.ShouldBeEmpty();
    }

    [Fact]
    public void An_old_backlog_degrades_health() =>
        Problem(_healthy with { Subscriptions = [Subscription("orders_data-sub") with { Backlog = 7, BacklogAge = _limits.MaxBacklogAge }] }, "backlog")
            .ShouldBe((HealthState.Degraded, "of 7"));

    private static SubscriptionObservation Subscription(string name) => new() { Name = name, IsReading = true };

    // The state, and the words where the reason has them, so that a difference is shown.
    private static ProblemOf Problem(PipelineObservation seen, string name)
    {
        var entry = HealthRules.Evaluate(seen, _limits).Problems.First(problem => problem.Name == name);
        return new ProblemOf(entry.State, entry.Reason);
    }

    private sealed record ProblemOf(HealthState State, string Reason)
    {
        public void ShouldBe((HealthState State, string Words) expected)
        {
            State.ShouldBe(expected.State);
            Reason.ShouldContain(expected.Words);
        }
    }
}
