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
        var verbose = new Option<bool>("--verbose", "-v") { Description = "The same as --log-level Debug" };
        var command = new Command("run", "Run the pipeline") { untilIdle, verbose };
        var (http, log) = (new HttpOption(), new LogOptions(LogLevel.Information));
        common.AddTo(command);
        http.AddTo(command);
        log.AddTo(command);
        command.SetAction((result, stop) => Exit.CodeOf(async () =>
        {
            var settings = common.Read(result);
            var idle = result.GetValue(untilIdle) is { } text ? Times.Parse(text, "--until-idle") : (TimeSpan?)null;
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
