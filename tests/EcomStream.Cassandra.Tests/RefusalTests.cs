using EcomStream.Cassandra.Seam;
using EcomStream.Cassandra.Tests.InMemory;
using EcomStream.Core;
using EcomStream.Cql.TestSupport;

namespace EcomStream.Cassandra.Tests;

/// <summary>Whom the store blames when the server refuses a write: a row only where it alone is at fault.</summary>
public sealed class RefusalTests : IAsyncLifetime
{
    private const string Guardrail = "Guardrail data_disk_usage_percentage violated: the disk is full";

    private readonly InMemoryClient _client = new(TimeProvider.System);
    private readonly LogLines _log = new();
    private readonly CassandraFactStore _store;

    public RefusalTests() => _store = InMemoryStores.Create(_client, loggers: _log);

    public async Task InitializeAsync() => await _store.InitializeAsync(default);

    public async Task DisposeAsync()
    {
        await _store.DisposeAsync();
        _log.Dispose();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task When_the_system_refuses_every_row_no_row_is_rejected(bool someWereAccepted)
    {
        if (someWereAccepted)
        {
            await _store.WriteAsync([Order(1), Payment(2)], default);
        }

        _client.Refuse = (_, _) => Guardrail;

        foreach (var write in new[] { Order(3), Payment(4), Order(5) with { Payment = Payment(5).Payment, PaymentStamp = new Stamp(1) } })
        {
            var error = await Should.ThrowAsync<StoreUnavailableException>(async () => await _store.WriteAsync([write], default));
            error.Message.ShouldContain(Guardrail);
        }

        await Should.ThrowAsync<StoreUnavailableException>(async () => await _store.WriteAsync([Order(6), Order(7)], default));
        _log.Lines.ShouldContain(line => line.StartsWith("Warning", StringComparison.Ordinal) && line.Contains(Guardrail, StringComparison.Ordinal));

        _client.Refuse = (_, _) => null;
        await _store.WriteAsync([Order(3)], default);
    }

    [Fact]
    public async Task A_row_is_rejected_when_another_one_is_accepted_and_the_error_has_the_servers_words()
    {
        await _store.WriteAsync([Order(1)], default);
        const string TooLarge = "Guardrail column value size violated: Value of column 'item' has size 1MiB";
        _client.Refuse = (_, values) => values.GetValueOrDefault("item") is { Length: > 100_000 } ? TooLarge : null;

        var large = Order(2) with { Order = Order(2).Order! with { Item = new string('x', 200_000) } };
        (await Should.ThrowAsync<StoreRejectedException>(async () => await _store.WriteAsync([large], default))).Message.ShouldContain(TooLarge);
        _log.Lines.ShouldContain(line => line.StartsWith("Warning", StringComparison.Ordinal) && line.Contains(TooLarge, StringComparison.Ordinal));
        await _store.WriteAsync([Order(3)], default);
    }

    [Fact]
    public async Task A_column_of_another_type_rejects_no_row_although_rows_without_that_column_are_accepted()
    {
        await _store.WriteAsync([Order(1) with { Order = Order(1).Order! with { Quantity = null } }], default);
        _client.Refuse = (_, values) => values.GetValueOrDefault("quantity") is not null ? "Expected 4 byte int for column quantity but got 8" : null;

        await Should.ThrowAsync<StoreUnavailableException>(async () => await _store.WriteAsync([Order(2)], default));
    }

    [Fact]
    public async Task A_refused_payment_is_not_rejected_because_an_order_is_accepted()
    {
        await _store.WriteAsync([Order(1)], default);
        _client.Refuse = (_, values) => values.ContainsKey("payment_id") ? "Expected 4 byte int for column card_last_four" : null;

        await Should.ThrowAsync<StoreUnavailableException>(async () => await _store.WriteAsync([Payment(2)], default));
    }

    [Fact]
    public async Task An_unmatched_row_is_rejected_only_when_another_one_is_accepted()
    {
        _client.Refuse = (_, values) => values.GetValueOrDefault("data") is { Length: > 100_000 } ? "Guardrail column value size violated" : null;
        await Should.ThrowAsync<StoreUnavailableException>(async () => await _store.WriteUnmatchedAsync([Unmatched(1, 200_000)], default));

        await _store.WriteUnmatchedAsync([Unmatched(2, 10)], default);
        await Should.ThrowAsync<StoreRejectedException>(async () => await _store.WriteUnmatchedAsync([Unmatched(1, 200_000)], default));

        _client.Refuse = (_, _) => Guardrail;
        await Should.ThrowAsync<StoreUnavailableException>(async () => await _store.WriteUnmatchedAsync([Unmatched(3, 10)], default));
    }

    [Fact]
    public async Task A_refused_row_of_the_rewrite_window_is_not_blamed_on_another_batch()
    {
        await _store.WriteAsync([Order(1)], default);
        _client.Refuse = (_, values) => values.GetValueOrDefault("order_id") is { } id && id[^1] == 1 ? "refused" : null;
        _client.LoseNode();

        await _store.WriteAsync([Order(2)], default);
        (await _store.ReadAsync([2], default))[0].ShouldNotBeNull();
        await Should.ThrowAsync<StoreUnavailableException>(async () => await _store.ReadAsync([1], default));
        _client.Refuse = (_, _) => null;
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task A_fault_of_any_other_kind_rejects_no_row(bool isDenied)
    {
        var kind = isDenied ? FaultKind.Denied : FaultKind.Unavailable;
        await _store.WriteAsync([Order(1)], default);
        _client.Fail = () => new CqlFault(kind, "no");
        await Should.ThrowAsync<StoreUnavailableException>(async () => await _store.WriteAsync([Order(2)], default));
        await Should.ThrowAsync<StoreUnavailableException>(async () => await _store.WriteUnmatchedAsync([Unmatched(1, 1)], default));
        _client.Fail = () => null;
    }

    [Fact]
    public async Task A_write_timestamp_that_a_guardrail_refuses_is_explained()
    {
        _client.Refuse = (_, _) => "Guardrail maximum_timestamp violated: The modification to table is not valid";
        (await Should.ThrowAsync<StoreUnavailableException>(async () => await _store.WriteAsync([Order(1)], default)))
            .Message.ShouldContain("ecomstream.store.cassandra.write-timestamp-offset");
    }

    internal static FactWrite Order(long id) => new()
    {
        OrderId = id,
        Order = new Order
        {
            OrderId = id, CustomerId = 1, Item = "Lamp", Quantity = 2, Price = 1.5, ShippingAddress = "1 Main St", OrderStatus = "Shipped", CreationDate = "2024-01-21",
        },
        OrderStamp = new Stamp(1_700_000_000_000_000),
    };

    internal static FactWrite Payment(long id) => new()
    {
        OrderId = id,
        Payment = new Payment
        {
            OrderId = id, PaymentId = 1, PaymentMethod = "Card", CardLastFour = "0042", PaymentStatus = "Completed", PaymentDatetime = "2024-01-21T45:01:30Z",
        },
        PaymentStamp = new Stamp(1_700_000_000_000_000),
    };

    internal static UnmatchedPayment Unmatched(long id, int bytes, UnmatchedState state = UnmatchedState.Waiting) => new()
    {
        OrderId = id,
        PaymentKey = "1",
        Data = new byte[bytes],
        PublishTimeMicros = 1_700_000_000_000_000 + id,
        MessageId = "1",
        Subscription = "payments_data-sub",
        Reason = DeadLetterReason.NoMatchingOrder,
        State = state,
        SinceMicros = 1_750_000_000_000_000,
        ChangedMicros = 1_750_000_000_000_001,
    };
}
