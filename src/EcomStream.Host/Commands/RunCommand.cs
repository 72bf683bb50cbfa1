using System.CommandLine;
using EcomStream.Host.Cli;
using EcomStream.PubSub;
using Microsoft.Extensions.Logging;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream run</c>: the pipeline, until it is stopped or idle.</summary>
internal static class RunCommand
{
    public static Command Create(CommandContext context)
    {
        var common = new CommonOptions(context);
        var untilIdle = Options.Duration("--until-idle", "End when no message has arrived, waits or is in flight for this long");
        var verbose = new Option<bool>("--verbose", "-v") { Description = "The same as --log-level debug" };
        var command = new Command("run", "Read orders and payments, join them and write the rows, until it is stopped") { untilIdle, verbose };
        var (http, log) = (new HttpOption(), new LogOptions(LogLevel.Information));
        common.AddTo(command);
        http.AddTo(command);
        log.AddTo(command);
        return command.Runs(context, async (result, stop) =>
        {
            var settings = common.Read(result);
            if (IgnoredBroker(settings, context.EmulatorHost) is { } ignored)
            {
                await context.Error.WriteLineAsync(ignored);
            }

            var logging = log.Read(result, result.GetValue(verbose));
            using var forced = ForcedExit.Listen();
            using var loggers = LoggerFactory.Create(logging);
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop);
            PipelineCounters counters;
            await using (var process = await JoinProcess.StartAsync(settings, logging, stop, HttpOption.Services(http.Read(result, settings), settings)))
            {
                counters = process.Counters;
                var status = StatusLog.RunAsync(
                    process.Pipeline, counters, settings.StatusInterval, loggers.CreateLogger("EcomStream.Host.Status"), ended.Token);
                try
                {
                    await process.RunAsync(result.GetValue(untilIdle), stop);
                }
                finally
                {
                    await ended.CancelAsync();
                    await status;
                }
            }

            await context.Out.WriteLineAsync(
                $"received {counters.Received}, payments written {counters.Joined}, rows written {counters.Written}, "
                + $"dead-lettered {counters.DeadLettered}, healed {counters.Healed}");
            return Exit.Ok;
        }, isService: true);
    }

    /// <summary>Why the embedded broker does not start although it is enabled; null where it starts or is disabled.</summary>
    internal static string? IgnoredBroker(HostSettings settings, string? emulatorHost) =>
        settings is { EmbeddedBroker: true, RunsBroker: false }
            ? $"The embedded broker does not start: Pub/Sub is {settings.PubSub.EmulatorHost}, set by "
                + (string.IsNullOrWhiteSpace(emulatorHost) ? "ecomstream.pubsub.emulator-host." : $"{PubSubSettings.EmulatorVariable}. Unset it to use the embedded broker.")
            : null;
}
