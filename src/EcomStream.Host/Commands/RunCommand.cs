using System.CommandLine;
using Microsoft.Extensions.Logging;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream run</c>: the pipeline, until it is stopped or idle.</summary>
internal static class RunCommand
{
    public static Command Create()
    {
        var common = new CommonOptions();
        var untilIdle = new Option<string?>("--until-idle")
        {
            Description = "End when nothing has arrived, waits or is in flight for so long, such as 5s",
        };
        var verbose = new Option<bool>("--verbose", "-v") { Description = "Log more" };
        var command = new Command("run", "Run the pipeline") { untilIdle, verbose };
        common.AddTo(command);
        command.SetAction((result, stop) => Exit.CodeOf(async () =>
        {
            var settings = common.Read(result);
            var idle = result.GetValue(untilIdle) is { } text ? Times.Parse(text, "--until-idle") : (TimeSpan?)null;
            using var counters = new PipelineCounters();
            var logging = Logging.ToConsole(result.GetValue(verbose) ? LogLevel.Debug : LogLevel.Information);
            using var loggers = LoggerFactory.Create(logging);
            using var ended = CancellationTokenSource.CreateLinkedTokenSource(stop);
            await using (var process = await JoinProcess.StartAsync(settings, logging, stop))
            {
                var status = StatusLog.RunAsync(
                    process.Pipeline, counters, settings.StatusInterval, loggers.CreateLogger("EcomStream.Host.Status"), ended.Token);
                try
                {
                    await process.RunAsync(idle, stop);
                }
                finally
                {
                    await ended.CancelAsync();
                    await status;
                }
            }

            Console.WriteLine(
                $"received {counters.Received}, payments joined {counters.Joined}, rows written {counters.Written}, "
                + $"dead-lettered {counters.DeadLettered}, healed {counters.Healed}");
            return Exit.Ok;
        }));
        return command;
    }
}
