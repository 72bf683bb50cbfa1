using System.Globalization;

namespace EcomStream.Core;

/// <summary>
/// When a message was published, in microseconds since the Unix epoch, made from the message alone. It decides which
/// of two messages is newer, and it is the write timestamp of what the message caused.
/// </summary>
/// <param name="Micros">Microseconds since 1970-01-01T00:00:00Z.</param>
public readonly record struct Stamp(long Micros) : IComparable<Stamp>
{
    private const long MicrosPerMilli = 1_000;

    /// <summary>Older than every stamp of a message.</summary>
    public static Stamp None => new(long.MinValue);

    /// <summary>
    /// Makes the stamp of a message. Cloud Pub/Sub publishes a whole batch with one publish time of millisecond
    /// precision; two messages of that batch differ in their message ids only, so the last three digits of a numeric
    /// id take the place of the missing microseconds.
    /// </summary>
    /// <param name="publishTimeMicros">Publish time, microseconds since the Unix epoch.</param>
    /// <param name="messageId">The message id that the broker gave; used only when it is all digits.</param>
    public static Stamp Of(long publishTimeMicros, string messageId)
    {
        if (publishTimeMicros % MicrosPerMilli != 0)
        {
            return new Stamp(publishTimeMicros);
        }

        return new Stamp(publishTimeMicros + LastThreeDigits(messageId));
    }

    /// <inheritdoc/>
    public int CompareTo(Stamp other) => Micros.CompareTo(other.Micros);

    /// <summary>Whether <paramref name="left"/> is newer.</summary>
    public static bool operator >(Stamp left, Stamp right) => left.Micros > right.Micros;

    /// <summary>Whether <paramref name="left"/> is older.</summary>
    public static bool operator <(Stamp left, Stamp right) => left.Micros < right.Micros;

    /// <summary>Whether <paramref name="left"/> is newer or the same.</summary>
    public static bool operator >=(Stamp left, Stamp right) => left.Micros >= right.Micros;

    /// <summary>Whether <paramref name="left"/> is older or the same.</summary>
    public static bool operator <=(Stamp left, Stamp right) => left.Micros <= right.Micros;

    /// <inheritdoc/>
    public override string ToString() => Micros.ToString(CultureInfo.InvariantCulture);

    private static int LastThreeDigits(string messageId)
    {
        if (messageId.Length == 0)
        {
            return 0;
        }

        foreach (var c in messageId)
        {
            if (!char.IsAsciiDigit(c))
            {
                return 0;
            }
        }

        var value = 0;
        for (var i = Math.Max(0, messageId.Length - 3); i < messageId.Length; i++)
        {
            value = (value * 10) + (messageId[i] - '0');
        }

        return value;
    }
}
