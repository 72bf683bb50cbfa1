using System.Buffers.Text;
using System.Globalization;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Delivery;

/// <summary>
/// What a client acks with: the message's offset; in hexadecimal its publish time, which no other message of this offset has
/// had or will have, whatever became of the topic; the subscription, so that an id acks on no other subscription of the
/// topic; then which delivery of it this was, if not the first. So an ack that comes late acks no other message, and a
/// client whose lease has passed on can neither extend nor give back what is leased to another.
/// </summary>
/// <param name="Offset">The message.</param>
/// <param name="PublishMicros">When it was published, microseconds since the Unix epoch.</param>
/// <param name="Subscription">The id of the subscription.</param>
/// <param name="Delivery">0 for a first delivery, otherwise a unique number.</param>
internal readonly record struct AckId(long Offset, long PublishMicros, int Subscription, long Delivery)
{
    /// <summary>Two 64-bit numbers in decimal, one in hexadecimal, a 32-bit number, and three hyphens.</summary>
    public const int LongestBytes = 72;

    /// <summary>What no message has.</summary>
    public static readonly AckId None = new(-1, 0, 0, 0);

    public int Format(Span<byte> target)
    {
        Utf8Formatter.TryFormat(Offset, target, out var length);
        target[length++] = (byte)'-';
        Utf8Formatter.TryFormat(PublishMicros, target[length..], out var more, 'x');
        length += more;
        target[length++] = (byte)'-';
        Utf8Formatter.TryFormat(Subscription, target[length..], out more);
        length += more;
        if (Delivery != 0)
        {
            target[length++] = (byte)'-';
            Utf8Formatter.TryFormat(Delivery, target[length..], out more);
            length += more;
        }

        return length;
    }

    /// <summary>Parses what a client sent.</summary>
    /// <param name="texts">What the client got with the messages.</param>
    /// <param name="isStrict">Whether a malformed one is an error; otherwise it becomes an id that no message has.</param>
    /// <exception cref="RpcException">INVALID_ARGUMENT: one is malformed.</exception>
    public static AckId[] ParseAll(IReadOnlyList<string> texts, bool isStrict)
    {
        var ids = new AckId[texts.Count];
        for (var i = 0; i < ids.Length; i++)
        {
            if (!TryParse(texts[i], out ids[i]))
            {
                ids[i] = isStrict
                    ? throw new RpcException(new Status(StatusCode.InvalidArgument, $"'{texts[i]}' is not an ack id of this broker."))
                    : None;
            }
        }

        return ids;
    }

    private static bool TryParse(string text, out AckId id)
    {
        id = None;
        Span<Range> parts = stackalloc Range[5];
        var span = text.AsSpan();
        var count = span.Split(parts, '-');
        var delivery = 0L;
        if (count is not (3 or 4)
            || !long.TryParse(span[parts[0]], NumberStyles.None, CultureInfo.InvariantCulture, out var offset)
            || !long.TryParse(span[parts[1]], NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out var micros)
            || !int.TryParse(span[parts[2]], NumberStyles.None, CultureInfo.InvariantCulture, out var subscription)
            || (count == 4 && !long.TryParse(span[parts[3]], NumberStyles.None, CultureInfo.InvariantCulture, out delivery)))
        {
            return false;
        }

        id = new AckId(offset, micros, subscription, delivery);
        return true;
    }
}
