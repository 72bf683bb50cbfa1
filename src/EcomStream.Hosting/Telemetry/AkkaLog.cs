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
/// Hands what actors log to the process's loggers, under the class that logged it and as the message alone: time and
/// level are the console's to print.
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
                _loggers.CreateLogger(log.LogClass.FullName ?? log.LogSource).Log(Level(log), log.Cause, "{Message}", log.Message);
                break;
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
