using EcomStream.Core;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.Hosting.Tests;

/// <summary>One process at a time joins a subscription, or one cluster.</summary>
public sealed class SubscriptionOwnershipTests
{
    private const string Subscription = "projects/p/subscriptions/orders";

    private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 26, 12, 0, 0, TimeSpan.Zero));
    private readonly Register _register;

    public SubscriptionOwnershipTests() => _register = new Register(_time);

    [Fact]
    public async Task A_process_records_itself_renews_its_record_and_deletes_it_at_the_end()
    {
        var ownership = Ownership();
        await ownership.AcquireAsync(default);
        var first = _register.Owner!;
        for (var second = 0; second < 60; second++)
        {
            await TickAsync();
            _register.Owner!.Id.ShouldBe(first.Id);
        }

        _register.Owner!.RenewedMicros.ShouldBeGreaterThan(first.RenewedMicros);
        await ownership.DisposeAsync();
        _register.Owner.ShouldBeNull();
    }

    [Fact]
    public async Task A_second_process_is_refused_while_the_first_one_renews_its_record()
    {
        await using var first = Ownership();
        await first.AcquireAsync(default);
        _register.Owner = _register.Owner! with { Machine = "another" };
        await using var second = Ownership();
        var acquiring = second.AcquireAsync(default);
        await TickUntilAsync(() => acquiring.IsCompleted);

        (await Should.ThrowAsync<SubscriptionTakenException>(acquiring)).Message.ShouldContain(Subscription);
        first.Lost.IsCompleted.ShouldBeFalse();
    }

    [Fact]
    public async Task The_record_of_a_process_on_another_machine_is_taken_over_when_it_has_expired()
    {
        await _register.ClaimAsync(Subscription, Dead("another"), TimeSpan.FromSeconds(30), default);
        await using var ownership = Ownership();
        var acquiring = ownership.AcquireAsync(default);
        for (var second = 0; second < 29; second++)
        {
            await TickAsync();
            acquiring.IsCompleted.ShouldBeFalse();
        }

        await TickUntilAsync(() => acquiring.IsCompleted);
        await acquiring;
    }

    [Fact]
    public async Task The_record_of_a_process_of_this_machine_that_has_ended_is_taken_over_at_once()
    {
        await _register.ClaimAsync(Subscription, Dead(ProcessIdentity.Machine), TimeSpan.FromSeconds(30), default);
        await using var ownership = Ownership();
        await ownership.AcquireAsync(default);
        _register.Owner!.ProcessId.ShouldBe(Environment.ProcessId);
    }

    [Fact]
    public void This_process_has_not_ended_and_another_one_that_got_its_id_has()
    {
        var own = ProcessIdentity.ToOwner("a", _time.GetUtcNow());
        ProcessIdentity.HasEnded(own).ShouldBeFalse();
        ProcessIdentity.HasEnded(own with { ProcessStartedMicros = own.ProcessStartedMicros - 60_000_000 }).ShouldBeTrue();
        ProcessIdentity.HasEnded(own with { ProcessStartedMicros = 0, Machine = "another" }).ShouldBeFalse();
    }

    [Fact]
    public async Task A_process_that_slept_longer_than_its_record_lasts_loses_its_subscriptions_to_the_next()
    {
        await using var ownership = Ownership();
        await ownership.AcquireAsync(default);
        _register.Owner = Dead("another");
        await TickUntilAsync(() => ownership.Lost.IsCompleted);
        await Should.ThrowAsync<SubscriptionTakenException>(ownership.Lost);
        await ownership.DisposeAsync();
        _register.Owner.ShouldBe(Dead("another"));
    }

    [Fact]
    public async Task The_nodes_of_a_cluster_are_one_owner_and_a_process_by_itself_is_another()
    {
        await using var node = Ownership("ecomstream");
        await using var other = Ownership("ecomstream");
        await node.AcquireAsync(default);
        await other.AcquireAsync(default);
        await using var alone = Ownership();
        var acquiring = alone.AcquireAsync(default);
        await TickUntilAsync(() => acquiring.IsCompleted);

        await Should.ThrowAsync<SubscriptionTakenException>(acquiring);
        await node.DisposeAsync();
        _register.Owner.ShouldNotBeNull();
    }

    [Fact]
    public async Task While_the_store_is_away_the_record_is_not_renewed_and_the_process_goes_on()
    {
        await using var ownership = Ownership();
        await ownership.AcquireAsync(default);
        _register.IsAway = true;
        for (var second = 0; second < 25; second++)
        {
            await TickAsync();
        }

        ownership.Lost.IsCompleted.ShouldBeFalse();
        _register.IsAway = false;
        _register.Owner = null;
        await TickUntilAsync(() => _register.Owner is not null);
        _register.Owner.ShouldNotBeNull();
    }

    private SubscriptionOwnership Ownership(string? cluster = null) => new(_register, [Subscription], cluster, _time, NullLogger.Instance);

    // An id beyond those that the system gives.
    private static SubscriptionOwner Dead(string machine) => new("dead", "process 4194305", machine, 4_194_305, 1, 1);

    private async Task TickUntilAsync(Func<bool> condition)
    {
        for (var second = 0; second < 200 && !condition(); second++)
        {
            await TickAsync();
        }

        condition().ShouldBeTrue();
    }

    // The renewals and polls run on the thread pool, which has a moment for them after each second.
    private async Task TickAsync()
    {
        _time.Advance(TimeSpan.FromSeconds(1));
        await Task.Delay(10);
    }

    private sealed class Register(TimeProvider time) : IOwnershipStore
    {
        private DateTimeOffset _expires = DateTimeOffset.MaxValue;

        public SubscriptionOwner? Owner { get; set; }

        public bool IsAway { get; set; }

        public ValueTask<SubscriptionOwner?> ClaimAsync(
            string subscription, SubscriptionOwner owner, TimeSpan timeToLive, CancellationToken cancellationToken)
        {
            if (IsAway)
            {
                throw new StoreUnavailableException("away");
            }

            if (Owner is null || Owner.Id == owner.Id || time.GetUtcNow() >= _expires)
            {
                (Owner, _expires) = (owner, time.GetUtcNow() + timeToLive);
            }

            return ValueTask.FromResult<SubscriptionOwner?>(Owner);
        }

        public ValueTask ReleaseAsync(string subscription, string ownerId, CancellationToken cancellationToken)
        {
            Owner = Owner?.Id == ownerId ? null : Owner;
            return ValueTask.CompletedTask;
        }
    }
}
