using System.Text;
using EcomStream.Core;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Grpc.Core;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.PubSub.Tests;

/// <summary>What a client learns about a subscription from the embedded broker, and from servers that do not report it.</summary>
public sealed class SubscriptionStatusTests
{
    [Fact]
    public async Task The_embedded_broker_reports_what_is_not_acked()
    {
        await using var server = await EmbeddedServer.StartAsync();
        using var connection = PubSubConnection.Create(TestSettings.Of(server.Endpoint));
        var admin = await MakeSubscriptionAsync(connection);
        (await admin.GetSubscriptionStatusAsync("orders-sub", default))!.Value.UnackedMessages.ShouldBe(0);

        var before = DateTimeOffset.UtcNow.ToUnixTimeMilliseconds() * 1_000;
        await using (var publisher = new PubSubPublisher(connection))
        {
            await publisher.PublishAsync("orders", [Message("1"), Message("2")], default);
        }

        var status = (await admin.GetSubscriptionStatusAsync("orders-sub", default))!.Value;
        status.UnackedMessages.ShouldBe(2);
        status.OldestUnackedPublishTimeMicros.ShouldBeInRange(before, status.NowMicros);
        (status.LeasedMessages, status.LatestLeaseExpiryMicros).ShouldBe((0, 0));
    }

    [Fact]
    public async Task A_message_that_is_outstanding_in_two_deliveries_counts_once_and_a_settled_one_does_not_count()
    {
        await using var server = await EmbeddedServer.StartAsync();
        using var connection = PubSubConnection.Create(TestSettings.Of(server.Endpoint));
        await MakeSubscriptionAsync(connection);
        await using var publisher = new PubSubPublisher(connection);
        await publisher.PublishAsync("orders", [Message("1"), Message("2")], default);
        await using var subscription = new PubSubSubscription(connection, "orders-sub");
        await using var receiver = new Receiver(subscription);
        await Eventually.True(() => receiver.Count == 2, "both arrive");
        var probe = await subscription.ProbeAsync(default);
        (probe.Backlog!.Value.UnackedMessages, probe.ReceivedMessages).ShouldBe((2, 2));

        // Another client nacks it.
        await connection.Subscriber.ModifyAckDeadlineAsync(new ModifyAckDeadlineRequest
        {
            Subscription = connection.Settings.SubscriptionName("orders-sub"),
            AckIds = { ((PubSubDelivery)receiver.Deliveries[0]).AckId },
        });
        await Eventually.True(() => receiver.Count == 3, "it is delivered again");
        probe = await subscription.ProbeAsync(default);
        (probe.Backlog!.Value.UnackedMessages, probe.ReceivedMessages).ShouldBe((2, 2));

        // Both deliveries of it.
        receiver.Deliveries.Where(delivery => delivery.MessageId == receiver.Deliveries[0].MessageId).ToList().ForEach(delivery => delivery.Ack());
        await subscription.FlushAsync(default);
        probe = await subscription.ProbeAsync(default);
        (probe.Backlog!.Value.UnackedMessages, probe.ReceivedMessages).ShouldBe((1, 1));
    }

    [Fact]
    public async Task A_server_that_answers_unimplemented_has_no_status()
    {
        await using var server = await ScriptedPubSub.StartAsync(call => call.FailAsync(StatusCode.Unimplemented));
        using var connection = PubSubConnection.Create(TestSettings.Of(server.Endpoint));

        (await new PubSubAdmin(connection).GetSubscriptionStatusAsync("orders-sub", default)).ShouldBeNull();
        server.Calls.ShouldHaveSingleItem().Method.ShouldBe("GetSubscriptionStatus");
    }

    [Theory]
    [InlineData("10s", "10s", 10, 0, 80)]
    [InlineData("10s", "180s", 10, 0, 180)]
    [InlineData("10s", "10s", 60, 0, 480)]
    [InlineData("10s", "10s", 10, 1, 130)]
    [InlineData("10s", "10s", 10, 11, 690)]
    public void An_emulator_leases_to_lost_readers_for_several_ack_deadlines_and_the_longer_the_more_were_lost(
        string ackDeadline, string longest, int subscription, int lost, int seconds)
    {
        var hocon = $"ecomstream.pubsub.subscriber {{ ack-deadline = {ackDeadline}, max-ack-deadline = {longest} }}";
        BrokerProbe.LongestLease(TestSettings.Of("127.0.0.1:8085", hocon: hocon), TimeSpan.FromSeconds(subscription), lost)
            .ShouldBe(TimeSpan.FromSeconds(seconds));
    }

    [Theory]
    [InlineData(10, 180)]
    [InlineData(600, 600)]
    public void A_service_leases_to_lost_readers_for_one_lease(int subscription, int seconds) =>
        BrokerProbe.LongestLease(TestSettings.Of(""), TimeSpan.FromSeconds(subscription), lost: 5).ShouldBe(TimeSpan.FromSeconds(seconds));

    [Fact]
    public void Lost_connections_are_counted_for_ten_minutes_and_also_over_several_enumerations()
    {
        var time = new FakeTimeProvider();
        var lost = new LostConnections(time, streams: 2);
        lost.Sample(0).ShouldBe(0);
        lost.Sample(2).ShouldBe(1);
        lost.Sample(2).ShouldBe(1);
        time.Advance(TimeSpan.FromMinutes(6));

        // The count begins anew with an enumeration.
        lost.Sample(1).ShouldBe(2);
        time.Advance(TimeSpan.FromMinutes(6));
        lost.Sample(1).ShouldBe(1);
        time.Advance(TimeSpan.FromMinutes(6));
        lost.Sample(1).ShouldBe(0);
    }

    [SkippableFact]
    public async Task Googles_emulator_has_no_status()
    {
        var endpoint = Environment.GetEnvironmentVariable(EmulatorServer.Variable);
        Skip.If(string.IsNullOrEmpty(endpoint), $"Start Google's Pub/Sub emulator and set {EmulatorServer.Variable} to its host:port to run this test.");
        using var connection = PubSubConnection.Create(TestSettings.Of(endpoint!));

        (await new PubSubAdmin(connection).GetSubscriptionStatusAsync("orders-sub", default)).ShouldBeNull();
    }

    [Fact]
    public async Task A_subscription_that_does_not_exist_is_an_error_that_names_it()
    {
        await using var server = await EmbeddedServer.StartAsync();
        using var connection = PubSubConnection.Create(TestSettings.Of(server.Endpoint));

        var error = await Should.ThrowAsync<PubSubAdminException>(() => new PubSubAdmin(connection).GetSubscriptionStatusAsync("missing", default));
        error.Message.ShouldContain("projects/test/subscriptions/missing");
        error.Message.ShouldContain("NOT_FOUND");
    }

    private static async Task<PubSubAdmin> MakeSubscriptionAsync(PubSubConnection connection)
    {
        var admin = new PubSubAdmin(connection);
        await admin.EnsureTopicAsync("orders", default);
        await admin.EnsureSubscriptionAsync("orders-sub", "orders", default);
        return admin;
    }

    private static OutgoingMessage Message(string text) => new(Encoding.UTF8.GetBytes(text), new Dictionary<string, string>());
}
