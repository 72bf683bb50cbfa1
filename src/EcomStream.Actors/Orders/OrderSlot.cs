using Akka.Actor;

namespace EcomStream.Actors;

/// <summary>
/// One order actor as its supervisor keeps it, live or vacant. It is also the message with which the actor offers its
/// vacancy, so that a completed order costs no further object.
/// </summary>
/// <remarks>
/// The handshake: the supervisor counts in <see cref="Sent"/> what it has sent, the actor writes into
/// <see cref="VacantAt"/> how much it had handled when it had nothing left to do, and takes that back before it handles
/// anything more. The supervisor vacates only when the two are equal, so no message can be on its way. Only the
/// supervisor writes the other fields, and those that the actor reads (<see cref="OrderId"/>, <see cref="Epoch"/>) only
/// while the actor is vacant; the mailbox orders those writes before the actor's reads.
/// </remarks>
internal sealed class OrderSlot : INoSerializationVerificationNeeded
{
    public const long NotVacant = -1;

    public IActorRef Actor = ActorRefs.Nobody;
    public long OrderId;
    public int Epoch;
    public long Sent;
    public int TouchedAt;

    /// <summary>Payments of the order that wait unacked; written by the supervisor.</summary>
    public int Waits;

    /// <summary>Failures of the order since its actor took it over; written by the actor.</summary>
    public int Failures;
    public OrderSlot? Older;
    public OrderSlot? Newer;
    private long _vacantAt = NotVacant;

    public long VacantAt
    {
        get => Volatile.Read(ref _vacantAt);
        set => Volatile.Write(ref _vacantAt, value);
    }
}
