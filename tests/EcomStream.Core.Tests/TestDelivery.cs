using System.Text;

namespace EcomStream.Core.Tests;

/// <summary>A delivery that remembers how it was settled.</summary>
internal sealed class TestDelivery(string data, string messageId, long publishTimeMicros) : Delivery
{
    public int Acks { get; private set; }

    public int Nacks { get; private set; }

    public override ReadOnlyMemory<byte> Data { get; } = Encoding.UTF8.GetBytes(data);

    public IReadOnlyDictionary<string, string> Sent { get; init; } = NoAttributes;

    public override IReadOnlyDictionary<string, string> Attributes => Sent;

    public override string MessageId => messageId;

    public override long PublishTimeMicros => publishTimeMicros;

    public override string Subscription => "test-sub";

    public override void Ack() => Acks++;

    public override void Nack() => Nacks++;
}

internal static class Some
{
    public const long OrderId = 7;

    // Not a whole millisecond, so that the stamp is the publish time.
    private const long Base = 1_700_000_000_000_001;

    public static OrderReceived Order(int at, string status = "Pending", string? messageId = null) => new(
        new Order { OrderId = OrderId, OrderStatus = status, Quantity = at },
        new Stamp(Base + (at * 10)),
        new TestDelivery("{}", messageId ?? $"o{at}", Base + (at * 10)));

    public static PaymentReceived Payment(int at, long? id = 1, string? messageId = null, string? idText = null) => new(
        new Payment { OrderId = OrderId, PaymentId = id, PaymentIdText = id is null ? idText : null, PaymentStatus = $"at {at}" },
        new Stamp(Base + (at * 10)),
        new TestDelivery("{}", messageId ?? $"p{at}", Base + (at * 10)));

    public static long MicrosAt(int at) => Base + (at * 10);

    /// <summary>The state after a read that found everything there is.</summary>
    public static OrderState Loaded(this OrderState state, OrderFact? row, IReadOnlyList<PaymentReceived> unmatched, out Decision decision) =>
        state.Loaded(row, [.. unmatched.Select(message => new UnmatchedMessage(message))], hasMore: false, out decision);
}
