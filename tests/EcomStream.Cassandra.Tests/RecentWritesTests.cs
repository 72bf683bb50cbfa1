using EcomStream.TestSupport;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.Cassandra.Tests;

public sealed class RecentWritesTests : IAsyncDisposable
{
    private readonly FakeTimeProvider _time = new();
    private readonly List<int> _written = [];
    private readonly RecentWrites _recent;
    private bool _down;

    public RecentWritesTests() => _recent = new RecentWrites(TimeSpan.FromSeconds(10), NullLogger.Instance, _time);

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
        _recent.Confirmed(losses, 1, Write(1));
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
        await Should.ThrowAsync<CqlConnectionException>(() => _recent.WriteAsync(default));
        _recent.IsPending.ShouldBeTrue();
        _down = false;
        await _recent.WriteAsync(default);
        Written.ShouldBe([1, 2]);
        _recent.IsPending.ShouldBeFalse();
    }

    [Fact]
    public async Task It_is_tried_again_by_itself_until_it_succeeds()
    {
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
        await using var none = new RecentWrites(TimeSpan.Zero, NullLogger.Instance, _time);
        none.Confirmed(0, 1, Write(1));
        none.NodeLost();
        none.IsPending.ShouldBeFalse();
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

    private void Confirm(int row) => _recent.Confirmed(_recent.Losses, 1, Write(row));

    private Func<CancellationToken, Task> Write(int row) => _ =>
    {
        if (_down)
        {
            return Task.FromException(new CqlConnectionException("down"));
        }

        lock (_written)
        {
            _written.Add(row);
        }

        return Task.CompletedTask;
    };
}
