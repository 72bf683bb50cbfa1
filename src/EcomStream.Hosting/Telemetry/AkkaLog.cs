using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Dispatch;
using Akka.Event;
using Microsoft.Extensions.Logging;
using LogLevel = Microsoft.Extensions.Logging.LogLevel;

namespace EcomStream.Hosting;

/// <summary>Where <see cref="AkkaLog"/> finds the process's loggers.</summary>
/// <param name="loggers">The loggers.</param>
internal sealed class AkkaLogSetup(ILoggerFactory loggers) : Akka.Actor.Setup.Setup
{
    public ILoggerFactory Loggers { get; } = loggers;
}

/// <summary>
/// Passes what actors log to the process's loggers, under the class that logged it. Templates and their values are
/// passed on as they are, so that the placeholders stay structured properties.
/// </summary>
internal sealed class AkkaLog : UntypedActor, IRequiresMessageQueue<ILoggerMessageQueueSemantics>
{
    private readonly ILoggerFactory _loggers =
        Context.System.Settings.Setup.Get<AkkaLogSetup>().GetOrElse(new AkkaLogSetup(new LoggerFactory())).Loggers;

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case InitializeLogger:
                Sender.Tell(new LoggerInitialized());
                break;
            case LogEvent log:
                Write(_loggers.CreateLogger(Category(log)), log);
                break;
        }
    }

    // Parts of Akka log under a text, which may end with the name or address of the system.
    private static string Category(LogEvent log) => log.LogClass != typeof(DummyClassForStringSources)
        ? log.LogClass.FullName ?? log.LogSource
        : log.LogSource.Split('(', '[', '/')[0].Trim() is { Length: > 0 } source && source.All(c => char.IsAsciiLetterOrDigit(c) || c == '.') ? source : "Akka";

    private static void Write(ILogger logger, LogEvent log)
    {
        if (log.Message is LogMessage { Format: { } template } message)
        {
#pragma warning disable CA2254 // The template is a constant where the actor logs.
            logger.Log(Level(log), log.Cause, template, [.. message.Parameters()]);
#pragma warning restore CA2254
        }
        else
        {
            logger.Log(Level(log), log.Cause, "{Message}", log.Message);
        }
    }

    private static LogLevel Level(LogEvent log) => log.LogLevel() switch
    {
        Akka.Event.LogLevel.DebugLevel => LogLevel.Debug,
        Akka.Event.LogLevel.InfoLevel => LogLevel.Information,
        Akka.Event.LogLevel.WarningLevel => LogLevel.Warning,
        _ => LogLevel.Error,
    };
}
