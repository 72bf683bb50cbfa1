using EcomStream.Cassandra.Seam;
using EcomStream.Cassandra.Writing;
using EcomStream.Cql.TestSupport;
using EcomStream.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.Cassandra.Tests;

public sealed class RecentWritesTests : IAsyncDisposable
{
    private const int RowBytes = 100;
    private const int Budget = 3 * RowBytes;

    private readonly FakeTimeProvider _time = new();
    private readonly List<int> _written = [];
    private readonly RecentWrites _recent;
    private bool _down;
    private Exception _error = new CqlFault(FaultKind.Unavailable, "down");

    public RecentWritesTests() => _recent = new RecentWrites(TimeSpan.FromSeconds(10), Budget, NullLogger.Instance, _time);

    [Fact]
    public async Task What_was_confirmed_within_the_window_is_written_again_when_a_node_is_lost()
    {
        Confirm(1);
        _time.Advance(TimeSpan.FromSeconds(8));
        Confirm(2);
        _time.Advance(TimeSpan.FromSeconds(4));
        Confirm(3);
        _recent.IsPending.ShouldBeFalse();
        _recent.NodeLost();
        await _recent.WriteAsync(default);
        Written.ShouldBe([2, 3]);

        // It was confirmed anew, by the same node or another one.
        _recent.NodeLost();
        await _recent.WriteAsync(default);
        Written.ShouldBe([2, 3, 2, 3]);
    }

    [Fact]
    public async Task A_write_that_was_under_way_when_the_node_was_lost_is_written_again()
    {
        var losses = _recent.Losses;
        _recent.NodeLost();
        _recent.Confirmed(losses, 1, RowBytes, Write(1));
        await Eventually.True(() => Written.Count == 1 && !_recent.IsPending, "it is written by itself");
        Confirm(2);
        _recent.IsPending.ShouldBeFalse();
    }

    [Fact]
    public async Task Whoever_writes_next_is_told_that_it_cannot_be_written_yet_and_nothing_is_forgotten()
    {
        Confirm(1);
        Confirm(2);
        _down = true;
        _recent.NodeLost();
        await Should.ThrowAsync<CqlFault>(() => _recent.WriteAsync(default));
        _recent.IsPending.ShouldBeTrue();
        _down = false;
        await Eventually.True(
            async () =>
            {
                // An attempt of the background task that began before is shared, and may still fail.
                await _recent.WriteAsync(default).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                return !_recent.IsPending;
            },
            "both are written");
        Written.ShouldBe([1, 2], ignoreOrder: true);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task It_is_tried_again_by_itself_until_it_succeeds_whatever_goes_wrong(bool expected)
    {
        _error = expected ? _error : new InvalidOperationException("a bug");
        Confirm(1);
        _down = true;
        _recent.NodeLost();
        await Task.Delay(100);
        _down = false;
        await Eventually.True(
            () =>
            {
                _time.Advance(TimeSpan.FromSeconds(1));
                return Written.Count == 1;
            },
            "it is written");
    }

    [Fact]
    public async Task Without_a_window_nothing_is_kept()
    {
        await using var none = new RecentWrites(TimeSpan.Zero, Budget, NullLogger.Instance, _time);
        none.Confirmed(0, 1, RowBytes, Write(1));
        none.NodeLost();
        none.IsPending.ShouldBeFalse();
    }

    [Fact]
    public async Task Writes_wait_while_what_is_kept_takes_all_that_it_may_until_the_oldest_of_it_is_safe()
    {
        Confirm(1);
        _time.Advance(TimeSpan.FromSeconds(8));
        Confirm(2);
        await _recent.RoomAsync(default).AsTask().WaitAsync(TimeSpan.Zero);
        Confirm(3);
        var waiting = _recent.RoomAsync(default).AsTask();
        waiting.IsCompleted.ShouldBeFalse();
        _time.Advance(TimeSpan.FromSeconds(2));
        waiting.IsCompleted.ShouldBeFalse();
        _time.Advance(TimeSpan.FromMilliseconds(2));
        await waiting.WaitAsync(TimeSpan.FromSeconds(10));
        _recent.Bytes.ShouldBe(2 * RowBytes);
    }

    [Fact]
    public async Task What_is_safe_is_let_go_although_nothing_more_is_written_and_is_not_written_again()
    {
        Confirm(1);
        _time.Advance(TimeSpan.FromSeconds(11));
        Confirm(2);
        _time.Advance(TimeSpan.FromSeconds(4));
        Confirm(3);
        _time.Advance(TimeSpan.FromSeconds(7));

        // Between two rounds of the timer, the second row is too old as well.
        _recent.NodeLost();
        await _recent.WriteAsync(default);
        Written.ShouldBe([3]);

        _time.Advance(TimeSpan.FromSeconds(10));
        _time.Advance(TimeSpan.FromSeconds(10));
        _recent.Bytes.ShouldBe(0);
    }

    [Fact]
    public async Task Only_what_the_lost_node_may_have_held_is_written_again()
    {
        var (one, other) = (new ReplicaGroup(new object()), new ReplicaGroup(new object()));
        _recent.Confirmed(_recent.Losses, 1, RowBytes, Write(1), one, [1]);
        _recent.Confirmed(_recent.Losses, 1, RowBytes, Write(2), other, [2]);
        _recent.NodeLost(replicas => replicas == other);
        await _recent.WriteAsync(default);
        Written.ShouldBe([2]);

        // The first row is still within the window.
        _recent.NodeLost(replicas => replicas == one);
        await _recent.WriteAsync(default);
        Written.ShouldBe([2, 1]);
    }

    [Fact]
    public async Task Only_reads_of_the_rows_that_are_to_be_written_again_wait_for_them()
    {
        var written = new TaskCompletionSource();
        _recent.Confirmed(_recent.Losses, 2, RowBytes, _ => written.Task, null, [1, 2]);
        _recent.NodeLost();
        _recent.RestoredAsync([3, 4], default).IsCompletedSuccessfully.ShouldBeTrue();
        var waiting = _recent.RestoredAsync([2, 3], default);
        waiting.IsCompleted.ShouldBeFalse();
        written.SetResult();
        await waiting.WaitAsync(TimeSpan.FromSeconds(20));
        _recent.IsPending.ShouldBeFalse();
        _recent.RestoredAsync([1], default).IsCompletedSuccessfully.ShouldBeTrue();
    }

    [Fact]
    public async Task Several_writes_are_repeated_at_once()
    {
        var (under, all) = (0, new TaskCompletionSource());
        for (var row = 0; row < 8; row++)
        {
            _recent.Confirmed(_recent.Losses, 1, 1, _ =>
            {
                if (Interlocked.Increment(ref under) == 8)
                {
                    all.SetResult();
                }

                return all.Task;
            });
        }

        _recent.NodeLost();
        await _recent.WriteAsync(default).WaitAsync(TimeSpan.FromSeconds(20));
    }

    public async ValueTask DisposeAsync()
    {
        _down = false;
        await _recent.DisposeAsync();
    }

    private List<int> Written
    {
        get
        {
            lock (_written)
            {
                return [.. _written];
            }
        }
    }

    private void Confirm(int row) => _recent.Confirmed(_recent.Losses, 1, RowBytes, Write(row));

    private Func<CancellationToken, Task> Write(int row) => _ =>
    {
        if (_down)
        {
            return Task.FromException(_error);
        }

        lock (_written)
        {
            _written.Add(row);
        }

        return Task.CompletedTask;
    };
}
