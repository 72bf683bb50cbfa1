using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker;

/// <summary>Looking at the backlog without taking anything of it.</summary>
internal sealed partial class BrokerSubscription
{
    /// <summary>The oldest messages that are not acked. Nothing is leased, counted or acked.</summary>
    /// <param name="max">The most messages.</param>
    /// <param name="maxBytes">The most bytes; one message may have more.</param>
    /// <exception cref="InvalidDataException">The log is damaged; the message says where.</exception>
    public IReadOnlyList<BacklogMessage> Peek(int max, int maxBytes)
    {
        var found = new List<BacklogMessage>();
        var reader = new LogReader(Topic.Log);
        lock (_lock)
        {
            var passed = 0;
            for (var offset = _acks.State.Cursor; found.Count < max && maxBytes > 0 && passed < MaxPassedOver; offset++)
            {
                if (_acks.State.IsAcked(offset))
                {
                    continue;
                }

                if (!reader.TryRead(offset, out var message, out _))
                {
                    break;
                }

                if (message.IsEmpty || PubsubMessage.Parser.ParseFrom(message) is not { } parsed || _filter?.Matches(parsed.Attributes) == false)
                {
                    passed++;
                    continue;
                }

                maxBytes -= message.Length;
                found.Add(new BacklogMessage(parsed, _leases.ContainsKey(offset), _acks.Failures(offset)));
            }
        }

        return found;
    }
}

/// <param name="Message">The message.</param>
/// <param name="IsLeased">Whether a reader has it.</param>
/// <param name="Failures">Its failed deliveries, as far as they are counted.</param>
internal readonly record struct BacklogMessage(PubsubMessage Message, bool IsLeased, int Failures);
