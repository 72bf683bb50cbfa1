using Akka.Actor;
using Akka.Configuration;
using Akka.Dispatch;
using Akka.Dispatch.MessageQueues;

namespace EcomStream.Actors;

/// <summary>
/// An unbounded mailbox that is a linked list: an empty one takes about a hundred bytes, where the default one's
/// first segment takes a thousand. There is one for every live order.
/// </summary>
public sealed class LinkedMailbox : MailboxType, IProducesMessageQueue<LinkedMessageQueue>
{
    /// <summary>Made by Akka from the configuration.</summary>
    public LinkedMailbox(Settings settings, Config config)
        : base(settings, config)
    {
    }

    /// <inheritdoc/>
    public override IMessageQueue Create(IActorRef owner, ActorSystem system) => new LinkedMessageQueue();
}
