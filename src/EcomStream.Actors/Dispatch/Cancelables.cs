using Akka.Actor;

namespace EcomStream.Actors;

/// <summary>Cancellation that an actor owns.</summary>
internal static class Cancelables
{
    /// <summary>A cancellation on the clock of the actor's system.</summary>
    public static ICancelable New(IActorContext context) => new Cancelable(context.System.Scheduler);
}
