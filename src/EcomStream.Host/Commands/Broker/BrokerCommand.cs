using System.CommandLine;
using EcomStream.Host.Cli;
using EcomStream.PubSub.Broker;
using Microsoft.Extensions.Logging;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream broker</c>: the embedded broker on its own.</summary>
internal static class BrokerCommand
{
    private const int DefaultSegmentBytes = 64 << 20;

    public static Command Create(CommandContext context)
    {
        var common = new CommonOptions(context);
        var host = new Option<string?>("--host") { Description = "Address to listen on; ecomstream.broker.host when left out", HelpName = "address" };
        var port = Options.Number("--port", null, "Port to listen on, 0 for any that is free; ecomstream.broker.port when left out", 0, 65_535);
        port.Aliases.Add("-p");
        var fsync = new Option<string?>("--fsync")
        {
            Description = "When files are synced, which determines what a power cut loses. always: nothing; interval: the last --fsync-interval; never: what the operating system has not written. ecomstream.broker.fsync when left out",
            HelpName = "interval|always|never",
        };
        var interval = Options.Duration("--fsync-interval", "The interval of --fsync interval; ecomstream.broker.fsync-interval when left out");
        var segment = Options.Number(
            "--segment-bytes", DefaultSegmentBytes, "Size in bytes at which a file of messages is closed and the next one is created; disk space is freed in whole files", 1 << 10);
        var lenient = new Option<bool>("--lenient")
        {
            Description = "Keep and return unsupported fields of topics and subscriptions, with a warning, instead of rejecting them; they have no effect",
        };
        var seed = new Option<string?>("--seed") { Description = "JSON file of schemas, topics and subscriptions that are created at the start if they are missing", HelpName = "file" };
        var admin = new Option<bool>("--admin-api") { Description = "Answer /admin/v1, for tests: anyone who reaches the port can inject faults and delete everything" };
        var inMemory = new Option<bool>("--in-memory") { Description = "Keep everything in memory, for tests: it is gone when the broker stops" };
        var command = new Command("broker", "Run the embedded Pub/Sub broker on its own") { host, port, fsync, interval, segment, lenient, inMemory, seed, admin };
        foreach (var shell in BrokerShell.Commands(context))
        {
            command.Subcommands.Add(shell);
        }

        command.Subcommands.Add(BrokerRepairCommand.Create(context));
        var (http, log) = (new HttpOption(), new LogOptions(LogLevel.Information));
        common.AddTo(command);
        http.AddTo(command);
        log.AddTo(command);
        return command.Runs(context, async (result, stop) =>
        {
            var settings = common.Read(result);
            using var loggers = LoggerFactory.Create(log.Read(result));
            await using var broker = await BrokerStart.StartAsync(
                new EmbeddedBrokerOptions
                {
                    DataDirectory = settings.BrokerDirectory,
                    Host = result.GetValue(host) ?? settings.BrokerHost,
                    Port = result.GetResult(port) is null ? settings.BrokerPort : (int)result.GetValue(port),
                    Fsync = Policy(result.GetValue(fsync)) ?? settings.BrokerFsync,
                    SegmentBytes = result.GetValue(segment),
                    FsyncInterval = result.GetValue(interval) ?? settings.BrokerFsyncInterval,
                    InMemory = result.GetValue(inMemory),
                    SeedFile = result.GetValue(seed),
                    AdminApi = result.GetValue(admin),
                    Lenient = result.GetValue(lenient),
                    LoggerFactory = loggers,
                },
                stop);
            var hasFolder = !result.GetValue(inMemory);
            if (hasFolder)
            {
                BrokerEndpointFile.Write(settings, broker.Endpoint);
            }

            try
            {
                await context.Out.WriteLineAsync($"export PUBSUB_EMULATOR_HOST={broker.Endpoint}");
                await using var endpoint = await BrokerEndpoint.StartAsync(http.Read(result, settings), settings, loggers, stop);
                await Task.Delay(Timeout.Infinite, stop);
            }
            finally
            {
                if (hasFolder)
                {
                    BrokerEndpointFile.Delete(settings);
                }
            }

            return Exit.Ok;
        }, isService: true);
    }

    private static FsyncPolicy? Policy(string? text) =>
        text is null ? null
        : Options.OneOf<FsyncPolicy>(text)
        ?? throw new UsageException($"--fsync {text}: must be one of {string.Join(", ", Enum.GetValues<FsyncPolicy>().Select(Options.Name))}.");
}
