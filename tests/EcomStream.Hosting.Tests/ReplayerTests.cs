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
        var rows = await StoredRows(5);
        _publisher.BeforePublish = (_, messages) =>
        {
            if (messages.Any(message => message.Attributes[DeadLetter.Id] == rows[2].Id))
            {
                throw new PublishFailedException("INVALID_ARGUMENT: A message has at most 100 attributes, this one 102.", fault: PublishFault.Message);
            }
        };
        var replayer = NewReplayer(_publisher);

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

    [Fact]
    public async Task What_was_accepted_before_a_refusal_is_not_published_again_and_is_recorded()
    {
        var rows = await StoredRows(7);
        var publisher = new Requests(_publisher, size: 2) { IsBad = id => id == rows[4].Id };
        var replayer = NewReplayer(publisher);

        await replayer.SendAsync(rows, count => _published += count, default);

        Sent().ShouldBe(rows.Where(row => row != rows[4]).Select(row => row.Id), ignoreOrder: true);
        _published.ShouldBe(6);
        replayer.Rejected.ShouldHaveSingleItem().Row.Id.ShouldBe(rows[4].Id);
        Replays().ShouldBe([1, 1, 1, 1, 0, 1, 1]);
    }

    [Fact]
    public async Task What_was_published_before_the_topic_refuses_is_recorded_and_the_rest_is_not()
    {
        var rows = await StoredRows(4);
        _publisher.BeforePublish = (_, messages) =>
        {
            if (messages.Count == 4)
            {
                throw new PublishFailedException("INVALID_ARGUMENT", fault: PublishFault.Message);
            }

            if (messages.Any(message => message.Attributes[DeadLetter.Id] == rows[2].Id))
            {
                throw new PublishFailedException("PERMISSION_DENIED");
            }
        };

        await Should.ThrowAsync<PublishFailedException>(() => NewReplayer(_publisher).SendAsync(rows, count => _published += count, default));

        Sent().ShouldBe([rows[0].Id, rows[1].Id]);
        _published.ShouldBe(2);
        Replays().ShouldBe([1, 1, 0, 0]);
    }

    [Fact]
    public async Task Of_a_call_that_runs_out_of_time_what_the_broker_had_accepted_is_recorded()
    {
        var rows = await StoredRows(5);
        var publisher = new Requests(_publisher, size: 2) { Hangs = id => id == rows[2].Id };

        var error = await Should.ThrowAsync<TimeoutException>(
            () => NewReplayer(publisher, TimeSpan.FromMilliseconds(50)).SendAsync(rows, count => _published += count, default));

        error.Message.ShouldContain("3 messages to payments_data");
        _published.ShouldBe(2);
        Replays().ShouldBe([1, 1, 0, 0, 0]);
    }

    [Fact]
    public async Task A_move_that_the_service_never_accepts_leaves_its_row_as_it_was()
    {
        var row = await Stored(Dead(17) with { Data = Data(18, 1017) });
        var other = await Stored(Dead(19) with { Data = Data(20, 1019) });
        var replayer = NewReplayer(new Requests(_publisher, size: 2) { IsBad = id => id == row.Id });

        await replayer.SendAsync([row, other], count => _published += count, default);

        (await Row(17)).HasSameContent(row).ShouldBeTrue();
        replayer.Rejected.ShouldHaveSingleItem().Row.Id.ShouldBe(row.Id);
        (await Row(19)).Detail.ShouldBe("moved to 20-1019 by a replay");
        _published.ShouldBe(1);
    }

    [Fact]
    public async Task A_move_to_a_topic_that_refuses_leaves_every_row_as_it_was()
    {
        var row = await Stored(Dead(17) with { Data = Data(18, 1017) });
        var other = await Stored(Dead(19) with { Data = Data(20, 1019) });
        _publisher.BeforePublish = (_, _) => throw new PublishFailedException("NOT_FOUND");

        await Should.ThrowAsync<PublishFailedException>(() => NewReplayer(_publisher).SendAsync([row, other], count => _published += count, default));

        (await Row(17)).HasSameContent(row).ShouldBeTrue();
        (await Row(19)).HasSameContent(other).ShouldBeTrue();
    }

    [Fact]
    public async Task A_move_that_was_refused_after_an_attempt_without_an_answer_stays_discarded()
    {
        var row = await Stored(Dead(17) with { Data = Data(18, 1017) });
        _publisher.BeforePublish = (_, _) => throw new PublishFailedException("NOT_FOUND") { IsUncertain = true };

        await Should.ThrowAsync<PublishFailedException>(() => SendAsync(row));

        (await Row(17)).Detail.ShouldBe("moves to 18-1017: its replay is not confirmed, replay it again");
    }

    [Fact]
    public async Task An_interrupted_replay_begins_nothing_else()
    {
        using var stop = new CancellationTokenSource();
        var row = await Stored(Dead(17));
        var move = await Stored(Dead(18) with { Data = Data(28, 1018) });
        var next = await Stored(Dead(19) with { Data = Data(29, 1019) });
        _publisher.BeforePublish = (_, messages) =>
        {
            if (messages[0].Attributes[DeadLetter.Id] == move.Id)
            {
                stop.Cancel();
            }
        };

        await Should.ThrowAsync<OperationCanceledException>(() => NewReplayer(_publisher).SendAsync([row, move, next], count => _published += count, stop.Token));

        Sent().ShouldBe([row.Id, move.Id]);
        _published.ShouldBe(2);
        (await Row(18)).Detail.ShouldBe("moved to 28-1018 by a replay");
        (await Row(19)).HasSameContent(next).ShouldBeTrue();
    }

    [Fact]
    public async Task A_row_of_another_pipeline_stops_only_itself_and_is_named()
    {
        var rows = await StoredRows(3);
        var replayer = new Replayer(_store, _publisher, row => row == rows[1] ? null : Topic, TimeSpan.FromSeconds(30), TimeProvider.System);

        await replayer.SendAsync(rows, count => _published += count, default);

        Sent().ShouldBe([rows[0].Id, rows[2].Id]);
        replayer.DescribeRejected().ShouldStartWith($"Not replayed: {rows[1].Id} (");
        replayer.DescribeRejected().ShouldContain("payments_data-sub");
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

    private async Task<List<UnmatchedPayment>> StoredRows(int count)
    {
        var rows = new List<UnmatchedPayment>();
        for (var order = 1; order <= count; order++)
        {
            rows.Add(await Stored(Dead(order)));
        }

        return rows;
    }

    private IEnumerable<string> Sent() => _publisher.Published.Select(sent => sent.Message.Attributes[DeadLetter.Id]);

    // Of the rows in the order of their ids.
    private IEnumerable<int> Replays() => _store.Unmatched.OrderBy(row => row.OrderId).Select(row => row.Replays);

    private async Task<UnmatchedPayment> Row(long orderId) => (await _store.ReadUnmatchedAsync([orderId], default)).ShouldHaveSingleItem();

    private Task SendAsync(UnmatchedPayment row, TimeSpan? timeout = null) =>
        NewReplayer(new Cancellable(_publisher), timeout).SendAsync([row], count => _published += count, default);

    private Replayer NewReplayer(IPublisher publisher, TimeSpan? timeout = null) =>
        new(_store, publisher, _ => Topic, timeout ?? TimeSpan.FromSeconds(30), TimeProvider.System);

    // Sends a call in requests of so many messages, as the adapters do; a bad message fails its request, and so do those after it.
    private sealed class Requests(IPublisher inner, int size) : IPublisher
    {
        public Func<string, bool> IsBad { get; init; } = _ => false;

        public Func<string, bool> Hangs { get; init; } = _ => false;

        public async Task<IReadOnlyList<string>> PublishAsync(string topic, IReadOnlyList<OutgoingMessage> messages, CancellationToken cancellationToken)
        {
            var ids = new List<string>();
            foreach (var request in messages.Chunk(size))
            {
                var accepted = Enumerable.Range(0, ids.Count).ToArray();
                if (request.Any(message => IsBad(message.Attributes[DeadLetter.Id])))
                {
                    throw new PublishFailedException("INVALID_ARGUMENT", fault: PublishFault.Message) { Accepted = accepted };
                }

                if (request.Any(message => Hangs(message.Attributes[DeadLetter.Id])))
                {
                    try
                    {
                        await Task.Delay(Timeout.Infinite, cancellationToken);
                    }
                    catch (OperationCanceledException cancelled)
                    {
                        throw new PublishCanceledException(accepted, cancelled);
                    }
                }

                ids.AddRange(await inner.PublishAsync(topic, request, cancellationToken));
            }

            return ids;
        }

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }

    // The publisher in memory does not hear its token while a hook delays it.
    private sealed class Cancellable(IPublisher inner) : IPublisher
    {
        public Task<IReadOnlyList<string>> PublishAsync(string topic, IReadOnlyList<OutgoingMessage> messages, CancellationToken cancellationToken) =>
            inner.PublishAsync(topic, messages, cancellationToken).WaitAsync(cancellationToken);

        public ValueTask DisposeAsync() => inner.DisposeAsync();
    }
}
