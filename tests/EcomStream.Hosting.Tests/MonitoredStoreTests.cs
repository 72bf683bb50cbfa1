using EcomStream.Core;
using EcomStream.TestSupport;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.Hosting.Tests;

public sealed class MonitoredStoreTests
{
    private readonly FakeTimeProvider _time = new();

    [Fact]
    public async Task Failures_count_from_the_first_one_until_a_call_of_the_same_kind_succeeds()
    {
        var inner = new FailingStore();
        await using var store = new MonitoredStore(inner, _time);
        inner.Failure = new StoreUnavailableException("the disk is full");
        await Should.ThrowAsync<StoreUnavailableException>(async () => await store.ReadAsync([1], CancellationToken.None));
        _time.Advance(TimeSpan.FromSeconds(3));
        await Should.ThrowAsync<StoreUnavailableException>(async () => await store.ReadAsync([1], CancellationToken.None));
        store.Condition.FailingFor.ShouldBe(TimeSpan.FromSeconds(3));
        store.Condition.Error!.Message.ShouldContain("disk is full");

        inner.Failure = null;
        await store.ReadUnmatchedAsync([1], CancellationToken.None);
        store.Condition.Error.ShouldNotBeNull("reads of another table say nothing about this one");
        await store.ReadAsync([1], CancellationToken.None);
        store.Condition.ShouldBe(default);
    }

    [Fact]
    public async Task A_rejected_row_is_no_failure_of_the_store()
    {
        await using var store = new MonitoredStore(new FailingStore { Failure = new StoreRejectedException("too big") }, _time);
        await Should.ThrowAsync<StoreRejectedException>(async () => await store.ReadAsync([1], CancellationToken.None));
        store.Condition.ShouldBe(default);
    }

    [Fact]
    public async Task A_call_without_an_answer_is_pending()
    {
        var inner = new FailingStore { Gate = new TaskCompletionSource() };
        await using var store = new MonitoredStore(inner, _time);
        var call = store.ReadAsync([1], CancellationToken.None).AsTask();
        _time.Advance(TimeSpan.FromSeconds(11));
        store.Condition.PendingFor.ShouldBe(TimeSpan.FromSeconds(11));
        inner.Gate.SetResult();
        await call;
        store.Condition.PendingFor.ShouldBe(TimeSpan.Zero);
    }

    private sealed class FailingStore : IFactStore
    {
        public Exception? Failure { get; set; }

        public TaskCompletionSource? Gate { get; init; }

        public ValueTask InitializeAsync(CancellationToken cancellationToken) => default;

        public ValueTask<IReadOnlyList<long>> WriteAsync(IReadOnlyList<FactWrite> writes, CancellationToken cancellationToken) => throw new NotSupportedException();

        public async ValueTask<IReadOnlyList<OrderFact?>> ReadAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken)
        {
            await (Gate?.Task ?? Task.CompletedTask);
            return Failure is null ? [null] : throw Failure;
        }

        public ValueTask WriteUnmatchedAsync(IReadOnlyList<UnmatchedPayment> rows, CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask<IReadOnlyList<UnmatchedPayment>> ReadUnmatchedAsync(IReadOnlyList<long> orderIds, CancellationToken cancellationToken) => new([]);

        public IAsyncEnumerable<UnmatchedPayment> ListUnmatchedAsync(UnmatchedQuery query, CancellationToken cancellationToken) => throw new NotSupportedException();

        public IAsyncEnumerable<UnjoinedPayment> ListUnjoinedAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        public ValueTask DisposeAsync() => default;
    }
}
