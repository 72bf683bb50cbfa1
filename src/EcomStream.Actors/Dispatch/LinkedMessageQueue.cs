using Akka.Actor;
using Akka.Dispatch.MessageQueues;

namespace EcomStream.Actors;

/// <summary>
/// Vyukov's intrusive multi-producer, single-consumer queue: a producer swaps the head and links its node behind the
/// previous one; the consumer, which is whichever thread runs the mailbox, follows the links from the tail.
/// </summary>
public sealed class LinkedMessageQueue : IMessageQueue
{
    private Node _head;
    private Node _tail;

    /// <summary>Makes an empty queue.</summary>
    public LinkedMessageQueue() => _head = _tail = new Node();

    /// <inheritdoc/>
    public bool HasMessages => Volatile.Read(ref _tail) != Volatile.Read(ref _head);

    /// <inheritdoc/>
    public int Count
    {
        get
        {
            var count = 0;
            for (var node = Volatile.Read(ref _tail.Next); node is not null; node = Volatile.Read(ref node.Next))
            {
                count++;
            }

            return count;
        }
    }

    /// <inheritdoc/>
    public void Enqueue(IActorRef receiver, Envelope envelope)
    {
        var node = new Node { Envelope = envelope };
        var previous = Interlocked.Exchange(ref _head, node);
        Volatile.Write(ref previous.Next, node);
    }

    /// <inheritdoc/>
    public bool TryDequeue(out Envelope envelope)
    {
        var tail = _tail;
        var next = Volatile.Read(ref tail.Next);
        if (next is null)
        {
            if (tail == Volatile.Read(ref _head))
            {
                envelope = default;
                return false;
            }

            // A producer has swapped the head and is about to link its node.
            var spin = default(SpinWait);
            while ((next = Volatile.Read(ref tail.Next)) is null)
            {
                spin.SpinOnce();
            }
        }

        envelope = next.Envelope;
        next.Envelope = default;
        Volatile.Write(ref _tail, next);
        return true;
    }

    /// <inheritdoc/>
    public void CleanUp(IActorRef owner, IMessageQueue deadletters)
    {
        while (TryDequeue(out var envelope))
        {
            deadletters.Enqueue(owner, envelope);
        }
    }

    private sealed class Node
    {
        public Node? Next;
        public Envelope Envelope;
    }
}
