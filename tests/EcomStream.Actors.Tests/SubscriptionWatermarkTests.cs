using EcomStream.Core;

namespace EcomStream.Actors.Tests;

/// <summary>The watermark as a pure class: local times are monotonic seconds, the broker's clock is 1,000 s ahead of them.</summary>
public sealed class SubscriptionWatermarkTests
{
    private const long Second = 1_000_000;
    private const long BrokerAhead = 1_000 * Second;

    private readonly BrokerClock _clock = new();
    private readonly SubscriptionWatermark _watermark;
    private SubscriptionStatus _status = new(IsReading: true, OutstandingMessages: 0, OutstandingBytes: 0, StreamsOpened: 1);

    public SubscriptionWatermarkTests() => _watermark = new SubscriptionWatermark(_clock, TimeSpan.FromSeconds(2));

    [Fact]
    public void The_watermark_is_unknown_while_the_subscription_cannot_be_read()
    {
        _status = _status with { IsReading = false };
        Update(0);
        Probe(1);
        Read(10).Micros.ShouldBeNull();
        Read(10).Hold.ShouldBe(WatermarkHold.NotReading);
    }

    [Fact]
    public void Silence_counts_only_when_a_round_trip_after_it_has_succeeded()
    {
        Update(0);
        Read(100).Hold.ShouldBe(WatermarkHold.Unconfirmed);
        Probe(100);
        var reading = Read(101);
        reading.IsCaughtUp.ShouldBeTrue();
        reading.Micros.ShouldBe(BrokerAhead + (98 * Second));

        // A stalled connection: nothing arrives and no probe is answered, so the watermark stands still.
        Read(200).Micros.ShouldBe(reading.Micros);
    }

    [Fact]
    public void Silence_from_before_an_outage_does_not_count()
    {
        Update(0);
        Probe(10);
        Read(11).IsCaughtUp.ShouldBeTrue();
        _status = _status with { IsReading = false };
        Update(20);
        _status = _status with { IsReading = true, StreamsOpened = 2 };
        Update(300);
        Read(301).Hold.ShouldBe(WatermarkHold.Unconfirmed);
        Probe(302);
        Read(303).IsCaughtUp.ShouldBeTrue();
    }

    [Fact]
    public void After_a_clean_stop_no_lease_is_waited_for_until_a_stream_is_lost()
    {
        _watermark.NothingLeased();
        Update(0);
        _watermark.IsNothingLeasedElsewhere.ShouldBeFalse("no round trip has shown how the broker is");
        Probe(5, lease: 60);
        Read(6).IsCaughtUp.ShouldBeTrue();
        _watermark.IsNothingLeasedElsewhere.ShouldBeTrue();

        // What the last run gave back is older than this run, and nobody held it.
        _watermark.Received(BrokerAhead - (50 * Second), BrokerAhead - (50 * Second), 7 * Second);
        Probe(12, lease: 60);
        Read(13).IsCaughtUp.ShouldBeTrue();

        _status = _status with { StreamsOpened = 2, StreamsReopened = 1 };
        Update(20);
        Probe(30, lease: 60);
        Read(31).Hold.ShouldBe(WatermarkHold.Leases);
        _watermark.IsNothingLeasedElsewhere.ShouldBeFalse();
        Probe(81, lease: 60);
        Read(82).IsCaughtUp.ShouldBeTrue();
        _watermark.IsNothingLeasedElsewhere.ShouldBeTrue();
    }

    [Fact]
    public void Silence_is_counted_from_when_the_reading_began()
    {
        _watermark.NothingLeased();
        Update(0);
        Probe(1, lease: 60);
        Read(1).IsCaughtUp.ShouldBeFalse("a first message may take longer than this");
        Probe(2, lease: 60);
        Read(2).IsCaughtUp.ShouldBeTrue();
    }

    [Fact]
    public void What_was_given_back_may_be_leased_elsewhere_until_it_has_come_again()
    {
        _watermark.NothingLeased();
        Update(0);
        _watermark.GivenBack(BrokerAhead, 3 * Second);
        Probe(5, lease: 60);
        _watermark.IsNothingLeasedElsewhere.ShouldBeFalse();
        Probe(64, lease: 60);
        _watermark.IsNothingLeasedElsewhere.ShouldBeTrue();
    }

    [Fact]
    public void A_stream_that_was_lost_before_all_were_open_may_hold_messages_after_a_clean_stop_too()
    {
        _watermark.NothingLeased();
        _status = _status with { StreamsOpened = 3, StreamsReopened = 1 };
        Update(0);
        Probe(5, lease: 60);
        Read(6).Hold.ShouldBe(WatermarkHold.Leases);
    }

    [Fact]
    public void The_watermark_is_unknown_until_the_longest_lease_of_a_lost_reader_has_run_out()
    {
        Update(0);
        Probe(5, lease: 60);
        Read(59).Hold.ShouldBe(WatermarkHold.Leases);
        Read(59).Micros.ShouldBeNull();
        Probe(61, lease: 60);
        Read(62).IsCaughtUp.ShouldBeTrue();

        // A stream that was opened anew may have lost messages that are leased to it.
        _status = _status with { StreamsOpened = 2 };
        Update(70);
        Probe(71, lease: 60);
        Read(72).Hold.ShouldBe(WatermarkHold.Leases);
    }

    [Fact]
    public void Leases_have_run_out_only_for_a_round_trip_that_was_made_after_them()
    {
        Update(0);
        Probe(5, lease: 60);

        // The process was frozen: what a lost reader held until second 60 may be waiting at the broker.
        Read(300).Hold.ShouldBe(WatermarkHold.Leases);
        Probe(301, lease: 60);
        Read(302).IsCaughtUp.ShouldBeTrue();
    }

    [Fact]
    public void A_message_from_before_the_start_that_comes_late_starts_the_wait_for_leases_anew()
    {
        // Google's emulator goes on leasing to a connection that was killed, half of the messages each time.
        Update(0);
        Probe(1, lease: 60);
        Receive(55, publishedAt: 1_000 - 20);
        Probe(100, lease: 60);
        Read(100).Hold.ShouldBe(WatermarkHold.Leases);
        Probe(116, lease: 60);
        Read(117).IsCaughtUp.ShouldBeTrue();

        // A message that was published after the start was never leased to another reader.
        Receive(130, publishedAt: 1_000 + 130);
        Probe(140, lease: 60);
        Read(140).IsCaughtUp.ShouldBeTrue();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(30)]
    public void A_backlog_of_old_messages_extends_the_wait_for_leases_also_when_the_broker_does_not_report_its_time(long localAhead)
    {
        // The publish times of old messages alone would say that the broker's clock is far behind.
        Update(0);
        for (var second = 1; second <= 80; second += 5)
        {
            _clock.Assume(BrokerAhead + ((second + localAhead) * Second), second * Second);
            _watermark.Probed(new SubscriptionProbe(null, TimeSpan.FromSeconds(60), null), second * Second, second * Second);
            Receive(second, publishedAt: 500 + second);
        }

        _watermark.Probed(new SubscriptionProbe(null, TimeSpan.FromSeconds(60), null), 130 * Second, 130 * Second);
        Read(130).Hold.ShouldBe(WatermarkHold.Leases);
        _watermark.Probed(new SubscriptionProbe(null, TimeSpan.FromSeconds(60), null), 137 * Second, 137 * Second);
        Read(137).IsCaughtUp.ShouldBeTrue();

        Receive(200, publishedAt: 1_000 + 200);
        _watermark.Probed(new SubscriptionProbe(null, TimeSpan.FromSeconds(60), null), 210 * Second, 210 * Second);
        Read(210).IsCaughtUp.ShouldBeTrue();
    }

    [Fact]
    public void The_wait_for_leases_is_paused_while_the_subscription_is_full_and_nothing_arrives()
    {
        Update(0);
        Probe(1, lease: 60);
        Receive(10, publishedAt: 1_000 - 20);
        _status = _status with { IsFull = true };
        for (var second = 10; second <= 60; second++)
        {
            Update(second);
        }

        _status = _status with { IsFull = false };
        Update(61);
        Probe(71, lease: 60);
        Read(71).Hold.ShouldBe(WatermarkHold.Leases);
        Probe(121, lease: 60);
        Read(121).IsCaughtUp.ShouldBeTrue();

        // Newer messages that arrive show that the backlog is over, even if the subscription is full all the time.
        _status = _status with { IsFull = true, StreamsOpened = 2 };
        Update(200);
        for (var second = 201; second <= 262; second++)
        {
            Receive(second, publishedAt: 1_000 + second);
            Update(second);
        }

        Probe(262, lease: 60);
        Read(262).Hold.ShouldBe(WatermarkHold.Backlog);
    }

    [Fact]
    public void A_broker_that_reports_its_backlog_decides_alone()
    {
        Update(0);
        Probe(1, lease: 60, backlog: new SubscriptionBacklog(3, BrokerAhead - (40 * Second), 3));
        var held = _watermark.Read(_status, new OutstandingMessage("m7", BrokerAhead - (40 * Second)), 2 * Second);
        held.Micros.ShouldBe(BrokerAhead - (40 * Second));
        held.Hold.ShouldBe(WatermarkHold.Unsettled);
        held.MessageId.ShouldBe("m7");
        Read(2).Hold.ShouldBe(WatermarkHold.Backlog);

        // Exactly the messages in flight here are unacked: everything was received.
        _watermark.Probed(
            new SubscriptionProbe(BrokerAhead + (2 * Second), null, new SubscriptionBacklog(3, 1, 3)) { ReceivedMessages = 3 }, 2 * Second, 2 * Second);
        Read(3).Micros.ShouldBe(BrokerAhead + (2 * Second));

        // One more is unacked than is known to be in flight here.
        _watermark.Probed(
            new SubscriptionProbe(BrokerAhead + (3 * Second), null, new SubscriptionBacklog(3, BrokerAhead, 3)) { ReceivedMessages = 2 }, 3 * Second, 3 * Second);
        Read(3).Micros.ShouldBe(BrokerAhead);

        // Some may have been received and not handed out.
        _watermark.Probed(
            new SubscriptionProbe(BrokerAhead + (3 * Second), null, new SubscriptionBacklog(3, BrokerAhead, 3)) { ReceivedMessages = 3 }, 3 * Second, 3 * Second, wasFull: true);
        Read(3).Micros.ShouldBe(BrokerAhead);
        Probe(3, lease: 60, backlog: new SubscriptionBacklog(0, 0, 0));
        Read(4).Micros.ShouldBe(BrokerAhead + (3 * Second));
        Read(4).IsCaughtUp.ShouldBeTrue();
    }

    [Fact]
    public void The_watermark_is_the_oldest_publish_time_of_the_latest_messages()
    {
        Update(0);
        Probe(1);
        _status = _status with { OutstandingMessages = 5 };
        Receive(10, publishedAt: 5);
        Receive(10, publishedAt: 3);
        Receive(10, publishedAt: 9);
        Read(11).Micros.ShouldBe(3 * Second);
        for (var at = 11; at < 17; at++)
        {
            Receive(at, publishedAt: 9);
        }

        Read(17).Micros.ShouldBe(9 * Second);

        // No message arrives and no round trip has shown why.
        Read(100).Micros.ShouldBeNull();
        var held = _watermark.Read(_status, new OutstandingMessage("m1", 4 * Second), 100 * Second);
        held.Micros.ShouldBe(4 * Second);
        held.Hold.ShouldBe(WatermarkHold.Unsettled);

        // A message that is never settled was received all the same: it does not hold the watermark for ever.
        Probe(101);
        _watermark.Read(_status, new OutstandingMessage("m1", 4 * Second), 102 * Second).Micros.ShouldBe(BrokerAhead + (99 * Second));
    }

    [Fact]
    public void Reading_it_changes_nothing_and_tells_for_how_long_the_same_thing_holds_it()
    {
        Update(0);
        Update(10);
        Read(40).HeldFor.ShouldBe(TimeSpan.FromSeconds(40));
        Read(41).HeldFor.ShouldBe(TimeSpan.FromSeconds(41));
        Probe(41);
        Update(41);
        Read(42).Hold.ShouldBe(WatermarkHold.None);
    }

    [Fact]
    public void A_local_clock_that_differs_from_the_brokers_makes_no_difference()
    {
        // No answer tells the broker's time: it follows from the publish times, and is never ahead of the broker.
        Update(0);
        Receive(10, publishedAt: 500);
        _watermark.Probed(default, 20 * Second, 20 * Second);
        Read(21).Micros.ShouldBe((500 + 10 - 2) * Second);
    }

    [Fact]
    public void The_brokers_clock_is_never_estimated_ahead_of_it_and_follows_a_drift()
    {
        var clock = new BrokerClock();
        clock.At(0).ShouldBeNull();
        clock.Assume(70 * Second, 0);
        clock.At(Second).ShouldBe(71 * Second);
        clock.Observe(10 * Second, 5 * Second);
        clock.Observe(3 * Second, 5 * Second);
        clock.At(5 * Second).ShouldBe(10 * Second);
        clock.Observe(1_000 * Second, 1_500 * Second);
        clock.Observe(2_000 * Second, 2_500 * Second);
        clock.At(2_500 * Second).ShouldBe(2_000 * Second);
        clock.LatestAt(2_500 * Second).ShouldBe(2_570 * Second);
        clock.Tell(2_100 * Second, 2_500 * Second);
        clock.LatestAt(2_500 * Second).ShouldBe(2_100 * Second);
    }

    private void Update(long second) => _watermark.Update(_status, second * Second);

    private void Receive(long second, long publishedAt) => _watermark.Received(publishedAt * Second, publishedAt * Second, second * Second);

    private void Probe(long second, long? lease = null, SubscriptionBacklog? backlog = null) => _watermark.Probed(
        new SubscriptionProbe(BrokerAhead + (second * Second), lease is { } seconds ? TimeSpan.FromSeconds(seconds) : null, backlog),
        second * Second,
        second * Second);

    private WatermarkReading Read(long second) => _watermark.Read(_status, null, second * Second);
}
