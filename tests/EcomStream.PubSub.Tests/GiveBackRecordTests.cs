namespace EcomStream.PubSub.Tests;

public sealed class GiveBackRecordTests
{
    private readonly GiveBackRecord _record = new();

    [Fact]
    public async Task What_was_acked_and_a_clean_end_of_all_streams_leave_nothing()
    {
        _record.IsEverythingGivenBack(nacksReturnAtOnce: false).ShouldBeTrue("nothing was read");
        _record.Started(streams: 2);
        await SendAsync(LeaseRequest.Extension, "a", "b");
        await SendAsync(LeaseRequest.Ack, "a", "b");
        _record.StreamEnded(isClean: true);
        _record.IsEverythingGivenBack(nacksReturnAtOnce: false).ShouldBeFalse("one stream has not ended");

        _record.StreamEnded(isClean: true);

        _record.IsEverythingGivenBack(nacksReturnAtOnce: false).ShouldBeTrue();
    }

    [Fact]
    public void A_stream_that_did_not_end_cleanly_may_have_messages()
    {
        _record.Started(streams: 1);
        _record.StreamEnded(isClean: true);
        _record.StreamEnded(isClean: false);

        _record.IsEverythingGivenBack(nacksReturnAtOnce: true).ShouldBeFalse();
    }

    [Fact]
    public async Task A_request_that_fails_or_is_under_way_counts_until_it_succeeds()
    {
        await Should.ThrowAsync<TimeoutException>(SendAsync(LeaseRequest.Ack, new TimeoutException(), "a", "b"));
        await SendAsync(LeaseRequest.Ack, "a");
        _record.IsEverythingGivenBack(nacksReturnAtOnce: true).ShouldBeFalse();

        var answer = new TaskCompletionSource<int>();
        _record.Sending(LeaseRequest.Ack, ["b"]);
        var sent = _record.ObserveAsync(LeaseRequest.Ack, ["b"], answer.Task);
        _record.IsEverythingGivenBack(nacksReturnAtOnce: true).ShouldBeFalse();
        answer.SetResult(1);
        (await sent).ShouldBe(1);

        _record.IsEverythingGivenBack(nacksReturnAtOnce: true).ShouldBeTrue();
    }

    [Fact]
    public async Task A_failed_extension_leaves_nothing()
    {
        await Should.ThrowAsync<TimeoutException>(SendAsync(LeaseRequest.Extension, new TimeoutException(), "a"));
        await SendAsync(LeaseRequest.Ack, "a");

        _record.IsEverythingGivenBack(nacksReturnAtOnce: false).ShouldBeTrue();
    }

    [Fact]
    public async Task What_was_nacked_is_given_back_where_it_returns_at_once()
    {
        await SendAsync(LeaseRequest.Nack, "a");

        _record.IsEverythingGivenBack(nacksReturnAtOnce: false).ShouldBeFalse();
        _record.IsEverythingGivenBack(nacksReturnAtOnce: true).ShouldBeTrue();
    }

    [Fact]
    public void What_nobody_saw_was_nacked()
    {
        _record.GaveBackUnseen();

        _record.IsEverythingGivenBack(nacksReturnAtOnce: false).ShouldBeFalse();
        _record.IsEverythingGivenBack(nacksReturnAtOnce: true).ShouldBeTrue();
    }

    [Theory]
    [InlineData("nack during the extension", false)]
    [InlineData("extension after the nack", false)]
    [InlineData("others", true)]
    public async Task An_extension_that_may_arrive_after_the_nack_of_the_message_leases_it_again(string order, bool isGivenBack)
    {
        var answer = new TaskCompletionSource<int>();
        switch (order)
        {
            case "nack during the extension":
                _record.Sending(LeaseRequest.Extension, ["a", "b"]);
                var extension = _record.ObserveAsync(LeaseRequest.Extension, ["a", "b"], answer.Task);
                await SendAsync(LeaseRequest.Nack, "b");
                answer.SetResult(0);
                await extension;
                break;
            case "extension after the nack":
                await SendAsync(LeaseRequest.Nack, "a");
                await SendAsync(LeaseRequest.Extension, "a");
                break;
            default:
                await SendAsync(LeaseRequest.Extension, "a", "b");
                await SendAsync(LeaseRequest.Nack, "a");
                await SendAsync(LeaseRequest.Extension, "b");
                await SendAsync(LeaseRequest.Ack, "b");
                break;
        }

        _record.IsEverythingGivenBack(nacksReturnAtOnce: true).ShouldBe(isGivenBack);
    }

    [Fact]
    public void Messages_that_were_forgotten_may_be_leased()
    {
        _record.Lost();

        _record.IsEverythingGivenBack(nacksReturnAtOnce: true).ShouldBeFalse();
    }

    [Fact]
    public void Messages_whose_receipt_was_not_confirmed_may_be_leased()
    {
        _record.ReceivedUnconfirmed(2);
        _record.Confirmed();
        _record.IsEverythingGivenBack(nacksReturnAtOnce: true).ShouldBeFalse();

        _record.Confirmed();

        _record.IsEverythingGivenBack(nacksReturnAtOnce: true).ShouldBeTrue();
    }

    private Task<int> SendAsync(LeaseRequest request, params string[] ackIds) => SendAsync(request, null, ackIds);

    private Task<int> SendAsync(LeaseRequest request, Exception? failure, params string[] ackIds)
    {
        _record.Sending(request, ackIds);
        return _record.ObserveAsync(request, ackIds, failure is null ? Task.FromResult(0) : Task.FromException<int>(failure));
    }
}
