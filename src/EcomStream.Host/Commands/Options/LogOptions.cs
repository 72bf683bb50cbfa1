using System.CommandLine;
using EcomStream.Host.Cli;
using Microsoft.Extensions.Logging;

namespace EcomStream.Host.Commands;

/// <summary>--log-level and --log-format.</summary>
internal sealed class LogOptions(LogLevel level)
{
    private readonly Option<LogLevel> _level = Options.Choice("--log-level", level, "Least severe level that is logged");
    private readonly Option<LogFormat> _format = Options.Choice("--log-format", LogFormat.Text, "A line of text, or a JSON object per line");

    public void AddTo(Command command)
    {
        command.Options.Add(_level);
        command.Options.Add(_format);
    }

    /// <summary>Where and how the process logs.</summary>
    public Action<ILoggingBuilder> Read(ParseResult result, bool isVerbose = false) =>
        Logging.ToConsole(
            result.GetResult(_level) is { Implicit: false } ? result.GetValue(_level) : isVerbose ? LogLevel.Debug : level,
            result.GetValue(_format));
}
