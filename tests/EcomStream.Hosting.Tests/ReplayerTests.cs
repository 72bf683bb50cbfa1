using EcomStream.Core;
using EcomStream.Testing;

namespace EcomStream.Hosting.Tests;

public sealed class ReplayerTests
{
    private const string Topic = "payments_data";

    private readonly InMemoryFactStore _store = new();
    private readonly InMemoryPublisher _publisher = new();
    private int _published;

    [Fact]
    public async Task A_replay_is_published_with_its_count_and_recorded()
    {
        var row = await Stored(Dead(17));

        await SendAsync(row);

        var (topic, message) = _publisher.Published.ShouldHaveSingleItem();
        topic.ShouldBe(Topic);
        message.Attributes[DeadLetter.Id].ShouldBe("17-1017");
        message.Attributes[DeadLetter.Replays].ShouldBe("1");
        var now = await Row(17);
        now.Replays.ShouldBe(1);
        now.State.ShouldBe(UnmatchedState.DeadLettered);
        UnmatchedHistory.Lines(now.History)[^1].ShouldEndWith("replay 1 to payments_data");
        _published.ShouldBe(1);
    }

    [Fact]
    public async Task What_the_pipeline_wrote_before_the_replay_is_recorded_stays()
    {
        var row = await Stored(Dead(17));
        // The hook is synchronous, and the store in memory answers at once.
        _publisher.BeforePublish = (_, _) => _store.WriteUnmatchedAsync(
            [(row with { Replays = 1 }).Become(UnmatchedState.Healed, Time + 9_000_000, "joined")], default).AsTask().Wait();

        await SendAsync(row);

        var now = await Row(17);
        now.State.ShouldBe(UnmatchedState.Healed);
        now.Replays.ShouldBe(1);
        UnmatchedHistory.Lines(now.History).ShouldContain(line => line.EndsWith("healed joined"));
        UnmatchedHistory.Lines(now.History)[^1].ShouldEndWith("replay 1 to payments_data");
    }

    [Fact]
    public async Task A_row_that_the_service_will_never_accept_stops_only_itself_and_is_named()
    {
        var rows = new List<UnmatchedPayment>();
        for (var order = 1; order <= 5; order++)
        {
            rows.Add(await Stored(Dead(order)));
        }

        _publisher.BeforePublish = (_, messages) =>
        {
            if (messages.Any(message => message.Attributes[DeadLetter.Id] == rows[2].Id))
            {
                throw new PublishFailedException("INVALID_ARGUMENT: A message has at most 100 attributes, this one 102.", fault: PublishFault.Message);
            }
        };
        var replayer = new Replayer(_store, _publisher, _ => Topic, TimeSpan.FromSeconds(30), TimeProvider.System);

        await replayer.SendAsync(rows, count => _published += count, default);

        _published.ShouldBe(4);
        _publisher.Published.Select(sent => sent.Message.Attributes[DeadLetter.Id]).ShouldBe(rows.Where(row => row != rows[2]).Select(row => row.Id), ignoreOrder: true);
        var (rejected, reason) = replayer.Rejected.ShouldHaveSingleItem();
        rejected.Id.ShouldBe(rows[2].Id);
        reason.ShouldContain("100 attributes");
        (await Row(3)).HasSameContent(rows[2]).ShouldBeTrue();
        foreach (var order in (long[])[1, 2, 4, 5])
        {
            (await Row(order)).Replays.ShouldBe(1);
        }
    }

    [Fact]
    public async Task A_broker_that_does_not_answer_is_an_error_in_time_and_records_nothing()
    {
        var row = await Stored(Dead(17));
        _publisher.BeforeCall = _ => Task.Delay(Timeout.Infinite);

        var error = await Should.ThrowAsync<TimeoutException>(() => SendAsync(row, TimeSpan.FromMilliseconds(50)).WaitAsync(TimeSpan.FromSeconds(30)));

        error.Message.ShouldContain("payments_data");
        (await Row(17)).HasSameContent(row).ShouldBeTrue();
        _published.ShouldBe(0);
    }

    [Fact]
    public async Task A_payment_that_names_another_order_now_is_given_up_under_its_own_before_it_is_published()
    {
        var row = await Stored(Dead(17) with { Data = Data(18, 1017) });
        UnmatchedState? atPublish = null;
        _publisher.BeforePublish = (_, _) => atPublish = _store.Unmatched.Single().State;

        await SendAsync(row);

        atPublish.ShouldBe(UnmatchedState.Discarded);
        var now = await Row(17);
        now.State.ShouldBe(UnmatchedState.Discarded);
        now.Detail.ShouldBe("moved to 18-1017 by a replay");
        now.Replays.ShouldBe(1);
        _publisher.Published.ShouldHaveSingleItem().Message.Attributes[DeadLetter.Replays].ShouldBe("1");
    }

    [Fact]
    public async Task A_move_whose_message_is_not_confirmed_says_so_in_its_row()
    {
        var row = await Stored(Dead(17) with { Data = Data(18, 1017) });
        _publisher.BeforeCall = _ => Task.Delay(Timeout.Infinite);

        await Should.ThrowAsync<TimeoutException>(() => SendAsync(row, TimeSpan.FromMilliseconds(50)));

        var now = await Row(17);
        now.State.ShouldBe(UnmatchedState.Discarded);
        now.Detail.ShouldBe("moves to 18-1017: its replay is not confirmed, replay it again");
    }

    [Fact]
    public async Task A_move_of_a_row_that_was_healed_in_the_meantime_is_not_published()
    {
        var row = Dead(17) with { Data = Data(18, 1017) };
        await Stored(row.Become(UnmatchedState.Healed, Time + 9_000_000, "joined"));

        await SendAsync(row);

        _publisher.Published.ShouldBeEmpty();
        (await Row(17)).State.ShouldBe(UnmatchedState.Healed);
        _published.ShouldBe(0);
    }

    [Theory]
    [InlineData("""{"order_id":17,"payment_id":1017}""", null)]
    [InlineData("""{"order_id":18,"payment_id":1017}""", "18-1017")]
    [InlineData("""{"order_id":17,"payment_id":1018}""", "17-1018")]
    [InlineData("""{"order_id":17}""", "a new message of order 17")]
    [InlineData("not a payment", null)]
    public void A_row_moves_when_its_data_names_another_payment(string data, string? target) =>
        Replayer.MovesTo(Dead(17) with { Data = System.Text.Encoding.UTF8.GetBytes(data) }).ShouldBe(target);

    private const long Time = 1_767_225_600_000_000;

    private static UnmatchedPayment Dead(long orderId) => new UnmatchedPayment
    {
        OrderId = orderId,
        PaymentKey = $"{orderId + 1000}",
        Data = Data(orderId, orderId + 1000),
        PublishTimeMicros = Time,
        MessageId = "1",
        Subscription = "payments_data-sub",
        Reason = DeadLetterReason.NoMatchingOrder,
        State = UnmatchedState.Waiting,
        SinceMicros = Time,
        ChangedMicros = Time,
    }.Become(UnmatchedState.DeadLettered, Time + 2_000_000, "no order");

    private static byte[] Data(long orderId, long paymentId) =>
        System.Text.Encoding.UTF8.GetBytes($$"""{"order_id":{{orderId}},"payment_id":{{paymentId}}}""");

    private async Task<UnmatchedPayment> Stored(UnmatchedPayment row)
    {
        await _store.WriteUnmatchedAsync([row], default);
        return row;
    }

    private async Task<UnmatchedPayment> Row(long orderId) => (await _store.ReadUnmatchedAsync([orderId], default)).ShouldHaveSingleItem();

    private Task SendAsync(UnmatchedPayment row, TimeSpan? timeout = null) =>
        new Replayer(_store, new Cancellable(_publisher), _ => Topic, timeout ?? TimeSpan.FromSeconds(30), TimeProvider.System)
            .SendAsync([row], count => _published += count, default);

    // The publisher in memory does not hear its token while a hook delays it.
    private sealed class Cancellable(IPublisher inner) : IPublisher
    {
        public Task<IReadOnlyList<string>> PublishAsync(string topic, IReadOnlyList<OutgoingMessage> messages, CancellationToken cancellationToken) =>
            inner.PublishAsync(topic, messages, cancellationToken).WaitAsync(cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
