using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker.Topics;

/// <summary>The messages of a subscription that have failed too often, on their way to the dead-letter topic. Thread-safe.</summary>
/// <param name="log">The log of the topic.</param>
/// <param name="state">Where the messages of the subscription are.</param>
/// <param name="settlement">What writes acks.</param>
/// <param name="consumers">Woken when something can be delivered.</param>
/// <param name="guard">Guards the others.</param>
internal sealed class UndeliverableMessages(TopicLog log, DeliveryState state, Settlement settlement, ConsumerGroup consumers, Lock guard)
{
    private readonly LogReader _reader = new(log);

    /// <summary>Copies of them, oldest first, each with its failed deliveries.</summary>
    /// <param name="max">The most messages.</param>
    /// <param name="maxBytes">The most bytes; one message may have more.</param>
    public IReadOnlyList<(long Offset, PubsubMessage Message, int Attempts)> Read(int max, int maxBytes = int.MaxValue)
    {
        using var entered = guard.EnterScope();
        if (state.IsClosed || state.Undeliverable.Count == 0)
        {
            return [];
        }

        var messages = new List<(long, PubsubMessage, int)>();
        var bytes = 0L;
        foreach (var offset in state.Undeliverable.Order().Take(max))
        {
            if (_reader.TryRead(offset, out var message, out _))
            {
                bytes += message.Length;
                if (messages.Count > 0 && bytes > maxBytes)
                {
                    break;
                }

                messages.Add((offset, PubsubMessage.Parser.ParseFrom(message), state.Acks.Failures(offset)));
            }
        }

        _reader.Release();
        return messages;
    }

    /// <summary>They are in the dead-letter topic: acks them, whatever of their keys comes before them.</summary>
    public void Forwarded(IEnumerable<long> offsets)
    {
        using var entered = guard.EnterScope();
        if (state.IsClosed)
        {
            return;
        }

        var acked = new List<long>();
        foreach (var offset in offsets.Where(state.Undeliverable.Contains))
        {
            if (state.Keys is null)
            {
                acked.Add(offset);
            }
            else
            {
                state.Keys.Remove(offset, acked);
            }
        }

        settlement.WriteFresh(acked);
    }

    /// <summary>They cannot be forwarded: they are delivered again.</summary>
    public void NotForwarded(IEnumerable<long> offsets)
    {
        using var entered = guard.EnterScope();
        foreach (var offset in offsets.Where(state.Undeliverable.Remove))
        {
            if (state.Keys?.Contains(offset) == true)
            {
                state.Keys.LetGo(offset);
            }
            else
            {
                state.Redeliveries.Add(offset, 0);
            }
        }

        consumers.Wake();
    }
}
