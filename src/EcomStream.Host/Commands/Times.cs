using Akka.Configuration;

namespace EcomStream.Host.Commands;

/// <summary>Times on the command line, written as in HOCON.</summary>
internal static class Times
{
    /// <exception cref="UsageException">The text is no time.</exception>
    public static TimeSpan Parse(string text, string option)
    {
        try
        {
            return ConfigurationFactory.ParseString($"t = {text}").GetTimeSpan("t", allowInfinite: false);
        }
        catch (Exception wrong)
        {
            throw new UsageException($"{option} {text}: it must be a time with a unit, such as 5s or 500ms ({wrong.Message}).");
        }
    }
}
