using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace EcomStream.Host.Commands;

/// <summary>What the process logs: one line each, to standard error, so that standard output is the command's.</summary>
internal static class Logging
{
    public static Action<ILoggingBuilder> ToConsole(LogLevel level) => builder =>
    {
        builder.SetMinimumLevel(level);
        builder.AddFilter("Microsoft", LogLevel.Warning);
        builder.AddFilter("Grpc", LogLevel.Warning);
        builder.AddFilter("Akka", level > LogLevel.Warning ? level : LogLevel.Warning);
        builder.AddConsole(console => console.LogToStandardErrorThreshold = LogLevel.Trace);
        builder.AddSimpleConsole(console =>
        {
            console.SingleLine = true;
            console.ColorBehavior = Environment.GetEnvironmentVariable("NO_COLOR") is { Length: > 0 } ? LoggerColorBehavior.Disabled : LoggerColorBehavior.Default;
            console.TimestampFormat = "HH:mm:ss.fff ";
        });
    };
}
