using System.Globalization;
using System.Text.RegularExpressions;
using EcomStream.Core;

namespace EcomStream.Host.Cli;

/// <summary>Durations and points in time on the command line. A number without a unit is neither.</summary>
internal static partial class Durations
{
    private static readonly Dictionary<string, TimeSpan> _units = new()
    {
        ["us"] = TimeSpan.FromMicroseconds(1),
        ["ms"] = TimeSpan.FromMilliseconds(1),
        ["s"] = TimeSpan.FromSeconds(1),
        ["m"] = TimeSpan.FromMinutes(1),
        ["h"] = TimeSpan.FromHours(1),
        ["d"] = TimeSpan.FromDays(1),
    };

    private static readonly string[] _forms = ["yyyy-MM-dd", "yyyy-MM-dd'T'HH:mm", "yyyy-MM-dd'T'HH:mm'Z'", "yyyy-MM-dd'T'HH:mm:ss"];

    /// <summary>Reads a duration such as 500ms, 5s, 1h30m or 2d.</summary>
    /// <returns>False when the text has another form, no unit, or is out of range.</returns>
    public static bool TryParse(string text, out TimeSpan duration)
    {
        duration = default;
        if (!Whole().IsMatch(text))
        {
            return false;
        }

        try
        {
            foreach (Match part in Part().Matches(text))
            {
                duration += double.Parse(part.Groups["number"].Value, CultureInfo.InvariantCulture) * _units[part.Groups["unit"].Value];
            }

            return true;
        }
        catch (OverflowException)
        {
            return false;
        }
    }

    /// <summary>Reads a duration, or throws.</summary>
    /// <exception cref="UsageException">The text is not a duration with a unit.</exception>
    public static TimeSpan Parse(string text, string option) =>
        TryParse(text, out var duration)
            ? duration
            : throw new UsageException($"{option} {text}: must be a duration with a unit, such as 500ms, 5s or 1h30m.");

    /// <summary>Reads a point in time: RFC 3339 or a part of it, UTC unless it has an offset, or a duration before now.</summary>
    /// <returns>Microseconds since the Unix epoch.</returns>
    /// <exception cref="UsageException">The text is neither.</exception>
    public static long ParsePoint(string text, string option, DateTimeOffset now)
    {
        if (TryParse(text, out var ago))
        {
            return ago < now - DateTimeOffset.UnixEpoch
                ? Timestamps.Micros(now - ago)
                : throw new UsageException($"{option} {text}: is before 1970.");
        }

        return Timestamps.TryParse(text, out var micros) ? micros
            : DateTimeOffset.TryParseExact(text, _forms, CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var time) ? Timestamps.Micros(time)
            : throw new UsageException(
                $"{option} {text}: must be a duration with a unit, such as 30m or 1h30m, or a time in UTC, such as 2026-11-24 or 2026-11-24T08:00:00Z.");
    }

    [GeneratedRegex(@"^([0-9]+(\.[0-9]+)?(us|ms|s|m|h|d))+$")]
    private static partial Regex Whole();

    [GeneratedRegex(@"(?<number>[0-9]+(\.[0-9]+)?)(?<unit>us|ms|s|m|h|d)")]
    private static partial Regex Part();
}
