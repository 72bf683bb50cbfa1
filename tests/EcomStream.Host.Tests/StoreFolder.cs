using System.Text;
using EcomStream.Core;
using EcomStream.Sqlite;

namespace EcomStream.Host.Tests;

/// <summary>A data folder with an embedded store, deleted in the end.</summary>
internal sealed class StoreFolder : IAsyncDisposable
{
    public const long Time = 1_767_225_600_000_000;

    private StoreFolder(SqliteFactStore store) => Store = store;

    public static string NewPath => System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"ecomstream-cli-{Guid.NewGuid():n}");

    public required string Path { get; init; }

    public SqliteFactStore Store { get; }

    public static async Task<StoreFolder> CreateAsync(params UnmatchedPayment[] rows)
    {
        var path = NewPath;
        var store = new SqliteFactStore(new SqliteSettings(System.IO.Path.Combine(path, "ecomstream.db")) { FinishedTtl = TimeSpan.Zero });
        await store.InitializeAsync(default);
        await store.WriteUnmatchedAsync(rows, default);
        return new StoreFolder(store) { Path = path };
    }

    /// <summary>A dead-lettered payment without an order.</summary>
    public static UnmatchedPayment Dead(long orderId, DeadLetterReason reason = DeadLetterReason.NoMatchingOrder) => new UnmatchedPayment
    {
        OrderId = orderId,
        PaymentKey = $"{orderId + 1000}",
        Data = Payment(orderId, orderId + 1000),
        PublishTimeMicros = Time + orderId,
        MessageId = $"{orderId}",
        Subscription = "payments_data-sub",
        Reason = reason,
        State = UnmatchedState.Waiting,
        SinceMicros = Time + 1_000_000,
        ChangedMicros = Time + 1_000_000,
    }.Become(UnmatchedState.DeadLettered, Time + 2_000_000, "no order");

    public static byte[] Payment(long orderId, long paymentId) => Encoding.UTF8.GetBytes($$"""{"order_id":{{orderId}},"payment_id":{{paymentId}}}""");

    /// <summary>Runs <c>ecomstream dlq</c> on the folder.</summary>
    public Task<CommandLineRun> Dlq(params string[] arguments) => Dlq(new CommandLineRun.Place(), arguments);

    public Task<CommandLineRun> Dlq(CommandLineRun.Place place, params string[] arguments) =>
        CommandLineRun.In(place, ["dlq", .. arguments, "--data", Path]);

    public async Task<UnmatchedPayment> Row(long orderId) => (await Store.ReadUnmatchedAsync([orderId], default)).ShouldHaveSingleItem();

    public string File(string name) => System.IO.Path.Combine(Path, name);

    public async ValueTask DisposeAsync()
    {
        await Store.DisposeAsync();
        Directory.Delete(Path, recursive: true);
    }
}
