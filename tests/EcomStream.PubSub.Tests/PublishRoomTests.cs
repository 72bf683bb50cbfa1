namespace EcomStream.PubSub.Tests;

public sealed class PublishRoomTests
{
    private readonly PublishRoom _room = new(maxMessages: 10, maxBytes: 100);

    [Fact]
    public async Task Whoever_finds_no_room_waits_for_messages_and_bytes_in_turn()
    {
        await _room.TakeAsync(6, 60, default);
        var large = _room.TakeAsync(5, 10, default).AsTask();
        var small = _room.TakeAsync(1, 1, default).AsTask();
        (large.IsCompleted, small.IsCompleted).ShouldBe((false, false));

        _room.Return(6, 60);

        await Task.WhenAll(large, small).WaitAsync(TimeSpan.FromSeconds(5));
        var bytes = _room.TakeAsync(1, 90, default).AsTask();
        bytes.IsCompleted.ShouldBeFalse();
        _room.Return(5, 10);
        await bytes.WaitAsync(TimeSpan.FromSeconds(5));
    }

    [Fact]
    public async Task What_is_larger_than_the_bounds_goes_alone()
    {
        await _room.TakeAsync(1, 1, default);
        var huge = _room.TakeAsync(50, 5_000, default).AsTask();
        huge.IsCompleted.ShouldBeFalse();

        _room.Return(1, 1);

        await huge.WaitAsync(TimeSpan.FromSeconds(5));
        _room.TakeAsync(1, 1, default).AsTask().IsCompleted.ShouldBeFalse();
    }

    [Fact]
    public async Task Whoever_gives_up_leaves_the_room_to_the_next()
    {
        await _room.TakeAsync(8, 8, default);
        using var cancelled = new CancellationTokenSource();
        var first = _room.TakeAsync(5, 5, cancelled.Token).AsTask();
        var second = _room.TakeAsync(2, 2, default).AsTask();
        second.IsCompleted.ShouldBeFalse();

        await cancelled.CancelAsync();

        await Should.ThrowAsync<OperationCanceledException>(first);
        await second.WaitAsync(TimeSpan.FromSeconds(5));
    }

    [Theory]
    [InlineData(100, 1, "100")]
    [InlineData(100, 3, "34,33,33")]
    [InlineData(2, 3, "1,1,1")]
    public void The_bound_is_shared_among_streams_and_each_has_at_least_1(long bound, int streams, string shares) =>
        string.Join(',', Enumerable.Range(0, streams).Select(stream => StreamBounds.Share(bound, stream, streams))).ShouldBe(shares);
}
