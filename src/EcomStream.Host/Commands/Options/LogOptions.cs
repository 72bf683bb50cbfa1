using System.CommandLine;
using Microsoft.Extensions.Logging;

namespace EcomStream.Host.Commands;

/// <summary>How log lines are written.</summary>
internal enum LogFormat
{
    /// <summary>A line of text.</summary>
    Text,

    /// <summary>A JSON object per line, with the placeholders of the message as properties.</summary>
    Json,
}

/// <summary>--log-level and --log-format.</summary>
internal sealed class LogOptions(LogLevel level)
{
    private readonly Option<LogLevel> _level = new("--log-level")
    {
        Description = "Trace, Debug, Information, Warning, Error, Critical or None",
        DefaultValueFactory = _ => level,
    };

    private readonly Option<LogFormat> _format = new("--log-format") { Description = "text, or json: an object per line" };

    public void AddTo(Command command)
    {
        command.Options.Add(_level);
        command.Options.Add(_format);
    }

    /// <summary>Where and how the process logs.</summary>
    public Action<ILoggingBuilder> Read(ParseResult result, bool isVerbose = false) =>
        Logging.ToConsole(isVerbose && result.GetResult(_level) is (null or { Implicit: true }) ? LogLevel.Debug : result.GetValue(_level), result.GetValue(_format));
}
