using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>What an order awaits and puts off meanwhile; made when it first asks for something.</summary>
/// <param name="forgotten">The last correlation id of earlier requests: their answers are not awaited any more.</param>
internal sealed class OrderRequests(long forgotten)
{
    /// <summary>Answers up to this correlation id belong to requests that were forgotten after a failure.</summary>
    public readonly long Forgotten = forgotten;

    /// <summary>The correlation id of the row or the dead letters that are awaited; 0 while neither is.</summary>
    public long Awaited;

    /// <summary>Requests for rows of waiting payments that are not answered yet.</summary>
    public int Parking;

    /// <summary>What made the load necessary.</summary>
    public object? Cause;

    /// <summary>What is to be decided again, now that the row is known.</summary>
    public OrderMessage? Again;

    /// <summary>Who asked for the load, to be told when what follows is durable.</summary>
    public RecheckOrder? Recheck;

    /// <summary>What is carried out when the dead letters are durable.</summary>
    public Decision? AfterDeadLetters;

    /// <summary>What came in the meantime.</summary>
    public Queue<object>? PutOff;

    /// <summary>The message whose decision failed; set before the failure is handled.</summary>
    public object? Undecided;

    /// <summary>
    /// The store rejected a write of the order: messages that wait for dead letters are decided again, before those that were put
    /// off. A newer order that waits as well stays.
    /// </summary>
    public void DecideAgain()
    {
        if (AfterDeadLetters is not { WriteOrder: null } rest)
        {
            return;
        }

        var messages = new[] { rest.WritePayment, rest.Settle, rest.Wait, rest.Park }.Concat(rest.SettleAlso ?? []).OfType<object>();
        PutOff = new Queue<object>(messages.Concat(PutOff ?? []));
        AfterDeadLetters = Decision.Nothing;
    }

    /// <summary>Whether a row or dead letters are awaited.</summary>
    public bool IsAwaiting => Awaited != 0;
}
