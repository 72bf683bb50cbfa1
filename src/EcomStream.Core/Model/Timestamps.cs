using System.Globalization;

namespace EcomStream.Core;

/// <summary>Times as text.</summary>
public static class Timestamps
{
    private static readonly string[] Rfc3339Forms = ["yyyy-MM-dd'T'HH:mm:ss.FFFFFFF'Z'", "yyyy-MM-dd'T'HH:mm:ss.FFFFFFFzzz"];

    /// <summary>Microseconds since the Unix epoch.</summary>
    public static long Micros(DateTimeOffset time) => (time - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond;

    /// <summary>RFC 3339 in UTC with microseconds.</summary>
    /// <param name="micros">Microseconds since the Unix epoch; what is out of range becomes its nearest end.</param>
    public static string Rfc3339(long micros) => Time(micros).ToString("yyyy-MM-dd'T'HH:mm:ss.ffffff'Z'", CultureInfo.InvariantCulture);

    /// <summary>A time.</summary>
    /// <param name="micros">Microseconds since the Unix epoch; what is out of range becomes its nearest end.</param>
    public static DateTime Time(long micros)
    {
        var range = (Min: -DateTime.UnixEpoch.Ticks / TimeSpan.TicksPerMicrosecond, Max: (DateTime.MaxValue.Ticks - DateTime.UnixEpoch.Ticks) / TimeSpan.TicksPerMicrosecond);
        return DateTime.UnixEpoch.AddTicks(Math.Clamp(micros, range.Min, range.Max) * TimeSpan.TicksPerMicrosecond);
    }

    /// <summary>Reads a time in RFC 3339 (https://www.rfc-editor.org/rfc/rfc3339): a date, a time and an offset.</summary>
    /// <param name="text">Such as 2026-11-24T08:00:00.123456Z.</param>
    /// <param name="micros">Microseconds since the Unix epoch.</param>
    /// <returns>False when the text has another form.</returns>
    public static bool TryParse(string text, out long micros)
    {
        var parsed = DateTimeOffset.TryParseExact(
            text.Replace('t', 'T').Replace('z', 'Z'), Rfc3339Forms, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time);
        micros = parsed ? Micros(time) : 0;
        return parsed;
    }
}
