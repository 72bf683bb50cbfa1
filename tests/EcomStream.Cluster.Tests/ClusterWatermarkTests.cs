using EcomStream.Actors;

namespace EcomStream.Cluster.Tests;

/// <summary>The watermark of a cluster passes nothing that any node, alive or dead, may still hold.</summary>
public sealed class ClusterWatermarkTests
{
    private static readonly NodeId First = new("a", 1);
    private static readonly NodeId Second = new("b", 2);

    private readonly ClusterWatermark _watermark = new();

    [Fact]
    public void It_is_the_least_of_what_the_nodes_report()
    {
        Join(First, 100);
        Join(Second, 70);

        _watermark.Read(0).Micros.ShouldBe(70);
        _watermark.Read(0).IsCaughtUp.ShouldBeTrue();
    }

    [Fact]
    public void A_node_that_joins_holds_it_until_it_has_reported()
    {
        Join(First, 100);
        _watermark.Joined(Second);

        _watermark.Read(0).Micros.ShouldBeNull();
        _watermark.Read(0).Hold.ShouldBe(WatermarkHold.Node);
    }

    [Fact]
    public void A_node_that_does_not_know_holds_it()
    {
        Join(First, 100);
        Join(Second, null);

        _watermark.Read(0).Micros.ShouldBeNull();
    }

    [Fact]
    public void An_unreachable_node_stops_it_at_its_last_report()
    {
        Join(First, 100);
        Join(Second, 70);
        _watermark.Reachable(Second, false);
        _watermark.Reported(Report(First, 900, sentAt: 2));

        var reading = _watermark.Read(1_000);

        reading.Micros.ShouldBe(70);
        reading.Hold.ShouldBe(WatermarkHold.Node);
    }

    [Fact]
    public void A_node_that_is_gone_holds_it_until_its_leases_have_run_out()
    {
        Join(First, 100);
        Join(Second, 70, lease: 500);
        _watermark.Removed(Second, longestLeaseMicros: 0, at: 1_000);

        _watermark.Read(1_499).Micros.ShouldBeNull();
        _watermark.Read(1_499).Hold.ShouldBe(WatermarkHold.Leases);
        _watermark.Read(1_500).Micros.ShouldBe(100);
    }

    [Fact]
    public void A_node_that_dies_before_it_has_reported_holds_it_for_the_lease_that_the_others_know()
    {
        Join(First, 100);
        _watermark.Joined(Second);
        _watermark.Removed(Second, longestLeaseMicros: 300, at: 1_000);

        _watermark.Read(1_299).Micros.ShouldBeNull();
        _watermark.Read(1_300).Micros.ShouldBe(100);
    }

    [Fact]
    public void With_a_broker_that_reports_its_backlog_a_node_that_is_gone_holds_nothing()
    {
        Join(First, 100);
        Join(Second, 70, lease: 0);
        _watermark.Removed(Second, longestLeaseMicros: 0, at: 1_000);

        _watermark.Read(1_000).Micros.ShouldBe(100);
    }

    [Fact]
    public void An_old_report_and_a_report_of_a_stranger_change_nothing()
    {
        Join(First, 100);
        _watermark.Reported(Report(First, 5, sentAt: 0));
        _watermark.Reported(Report(Second, 1, sentAt: 9)).ShouldBeFalse();

        _watermark.Read(0).Micros.ShouldBe(100);
    }

    private void Join(NodeId node, long? micros, long lease = 0)
    {
        _watermark.Joined(node);
        _watermark.Reported(Report(node, micros, 1, lease)).ShouldBeTrue();
    }

    private static NodeReport Report(NodeId node, long? micros, long sentAt, long lease = 0) => new()
    {
        Node = node,
        SentAt = sentAt,
        WatermarkMicros = micros,
        LongestLeaseMicros = lease,
        Heard = [],
        Shards = [],
        ShardsStarted = 0,
        Outstanding = 0,
    };
}
