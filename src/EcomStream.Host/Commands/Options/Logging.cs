using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Console;

namespace EcomStream.Host.Commands;

/// <summary>How log lines are written.</summary>
internal enum LogFormat
{
    /// <summary>A line of text.</summary>
    Text,

    /// <summary>A JSON object per line, with the placeholders of the message as properties.</summary>
    Json,
}

/// <summary>What the process logs: one line each, to standard error, so that standard output is the command's.</summary>
internal static class Logging
{
    // UTC, with the date: lines of several machines and days are compared.
    private const string Timestamp = "yyyy-MM-dd'T'HH:mm:ss.fff'Z'";

    public static Action<ILoggingBuilder> ToConsole(LogLevel level, LogFormat format = LogFormat.Text) => builder =>
    {
        builder.SetMinimumLevel(level);
        builder.AddFilter("Microsoft", level > LogLevel.Warning ? level : LogLevel.Warning);
        builder.AddFilter("Grpc", level > LogLevel.Warning ? level : LogLevel.Warning);
        builder.AddFilter("Akka", level > LogLevel.Warning ? level : LogLevel.Warning);
        builder.AddConsole(console =>
        {
            console.LogToStandardErrorThreshold = LogLevel.Trace;
            console.FormatterName = format == LogFormat.Json ? ConsoleFormatterNames.Json : ConsoleFormatterNames.Simple;
        });
        if (format == LogFormat.Json)
        {
            builder.AddJsonConsole(console =>
            {
                console.UseUtcTimestamp = true;
                console.TimestampFormat = Timestamp;
            });
        }
        else
        {
            builder.AddSimpleConsole(console =>
            {
                console.SingleLine = true;
                console.ColorBehavior = string.IsNullOrEmpty(Environment.GetEnvironmentVariable("NO_COLOR")) ? LoggerColorBehavior.Default : LoggerColorBehavior.Disabled;
                console.UseUtcTimestamp = true;
                console.TimestampFormat = Timestamp + " ";
            });
        }
    };
}
