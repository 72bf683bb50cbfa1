using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

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

/// <summary>
/// Everything that waits unacked gets its row now, because the pipeline drains. A shard may stop before it processes this
/// message; that is not logged.
/// </summary>
internal sealed class ParkAll : INoSerializationVerificationNeeded, IDeadLetterSuppression
{
    public static readonly ParkAll Instance = new();
}
