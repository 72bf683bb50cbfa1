using System.Buffers.Text;
using System.Globalization;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Delivery;

/// <summary>
/// What a client acks with: the message's offset, and behind a hyphen which delivery of it this was, if not the first.
/// So a client whose lease has passed on can neither extend nor give back what is leased to another.
/// </summary>
/// <param name="Offset">The message.</param>
/// <param name="Delivery">0 for a first delivery, else a number of its own.</param>
internal readonly record struct AckId(long Offset, long Delivery)
{
    /// <summary>Two 64-bit numbers and a hyphen.</summary>
    public const int LongestBytes = 40;

    public int Format(Span<byte> target)
    {
        Utf8Formatter.TryFormat(Offset, target, out var length);
        if (Delivery != 0)
        {
            target[length++] = (byte)'-';
            Utf8Formatter.TryFormat(Delivery, target[length..], out var more);
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
                    ? throw new RpcException(new Status(StatusCode.InvalidArgument, $"'{texts[i]}' is no ack id of this broker."))
                    : new AckId(-1, 0);
            }
        }

        return ids;
    }

    private static bool TryParse(string text, out AckId id)
    {
        var hyphen = text.IndexOf('-', StringComparison.Ordinal);
        var delivery = 0L;
        var isValid = long.TryParse(hyphen < 0 ? text : text.AsSpan(0, hyphen), NumberStyles.None, CultureInfo.InvariantCulture, out var offset)
            && (hyphen < 0 || long.TryParse(text.AsSpan(hyphen + 1), NumberStyles.None, CultureInfo.InvariantCulture, out delivery));
        id = new AckId(offset, delivery);
        return isValid;
    }
}
