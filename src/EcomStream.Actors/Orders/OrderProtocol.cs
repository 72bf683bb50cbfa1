using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Look at an order's waiting payments again: from the sweeper to the supervisor, on to the order.</summary>
/// <param name="OrderId">The order.</param>
/// <param name="WatermarkMicros">The watermark of the orders, microseconds since the Unix epoch.</param>
/// <param name="ReplyTo">Receives <see cref="OrderRechecked"/>.</param>
internal sealed record RecheckOrder(long OrderId, long WatermarkMicros, IActorRef ReplyTo) : IOrderMessage, INoSerializationVerificationNeeded;

/// <summary>The answer to <see cref="RecheckOrder"/>, when what follows from it is durable.</summary>
internal sealed record OrderRechecked(long OrderId) : IOrderMessage, INoSerializationVerificationNeeded;

/// <summary>What a supervisor may ask of an order's actor.</summary>
internal enum OrderCommandKind
{
    /// <summary>There are unmatched rows: read them before anything else.</summary>
    LoadFirst,

    /// <summary>The first moment of waiting is over: write rows.</summary>
    Park,

    /// <summary>Offer your vacancy if nothing holds you.</summary>
    Passivate,
}

/// <summary>A command of the supervisor to an order's actor.</summary>
internal sealed record OrderCommand(OrderCommandKind Kind) : INoSerializationVerificationNeeded
{
    public static readonly OrderCommand LoadFirst = new(OrderCommandKind.LoadFirst);
    public static readonly OrderCommand Park = new(OrderCommandKind.Park);
    public static readonly OrderCommand Passivate = new(OrderCommandKind.Passivate);
}

/// <summary>A payment began to wait unacked: from the order to its supervisor, which keeps the time.</summary>
internal sealed record PaymentWaits(OrderSlot Slot, int Epoch) : INoSerializationVerificationNeeded;

/// <summary>An order's actor failed: give these deliveries back after a delay.</summary>
/// <param name="Deliveries">The deliveries that it held.</param>
/// <param name="Delay">The delay.</param>
internal sealed record ReturnDeliveries(IReadOnlyList<Delivery> Deliveries, TimeSpan Delay) : INoSerializationVerificationNeeded;

/// <summary>Carries a message of <c>EcomStream.Core</c> where Akka verifies that messages can be serialized.</summary>
internal sealed record LocalMessage(OrderMessage Message) : INoSerializationVerificationNeeded;

/// <summary>Everything that waits unacked gets its row now, because the pipeline drains.</summary>
internal sealed class ParkAll : INoSerializationVerificationNeeded
{
    public static readonly ParkAll Instance = new();
}
