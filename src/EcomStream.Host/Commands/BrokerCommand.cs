using System.CommandLine;
using EcomStream.PubSub.Broker;
using Microsoft.Extensions.Logging;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream broker</c>: the embedded broker on its own.</summary>
internal static class BrokerCommand
{
    public static Command Create()
    {
        var data = new Option<string>("--data", "-d") { Description = "Folder that it keeps its files in", DefaultValueFactory = _ => "data/broker" };
        var host = new Option<string>("--host") { Description = "Address to listen on", DefaultValueFactory = _ => "127.0.0.1" };
        var port = new Option<int>("--port", "-p") { Description = "Port to listen on; 0 for any that is free", DefaultValueFactory = _ => 8085 };
        var fsync = new Option<FsyncPolicy>("--fsync")
        {
            Description = "Interval: a power cut loses at most what came within it; Always: nothing; Never: what the system has not written back",
            DefaultValueFactory = _ => FsyncPolicy.Interval,
        };
        var interval = new Option<int>("--fsync-interval")
        {
            Description = "The interval of --fsync Interval, ms",
            DefaultValueFactory = _ => 50,
        };
        var segment = new Option<long>("--segment-bytes")
        {
            Description = "Size at which a file of messages is closed and another begun; space is given back in whole files",
            DefaultValueFactory = _ => 64L << 20,
        };
        var lenient = new Option<bool>("--lenient")
        {
            Description = "Keep and return fields of topics and subscriptions that have no effect here, with a warning, instead of rejecting them",
        };
        AtLeast(interval, 1, "ms");
        AtLeast(segment, 1 << 10, "bytes");
        var command = new Command("broker", "Run the embedded Pub/Sub broker on its own") { data, host, port, fsync, interval, segment, lenient };
        var (http, log) = (new HttpOption(), new LogOptions(LogLevel.Information));
        http.AddTo(command);
        log.AddTo(command);
        command.SetAction((result, stop) => Exit.CodeOf(async () =>
        {
            using var loggers = LoggerFactory.Create(log.Read(result));
            await using var broker = await BrokerStart.StartAsync(
                new EmbeddedBrokerOptions
                {
                    DataDirectory = result.GetValue(data)!,
                    Host = result.GetValue(host)!,
                    Port = result.GetValue(port),
                    Fsync = result.GetValue(fsync),
                    SegmentBytes = result.GetValue(segment),
                    FsyncInterval = TimeSpan.FromMilliseconds(result.GetValue(interval)),
                    Lenient = result.GetValue(lenient),
                    LoggerFactory = loggers,
                },
                stop);
            Console.WriteLine($"export PUBSUB_EMULATOR_HOST={broker.Endpoint}");
            await using var endpoint = await BrokerEndpoint.StartAsync(http.Address(result), loggers, stop);
            var stopped = new TaskCompletionSource();
            await using var registration = stop.Register(stopped.SetResult);
            await stopped.Task;
            return Exit.Ok;
        }));
        return command;
    }

    private static void AtLeast<T>(Option<T> option, T least, string unit)
        where T : IComparable<T> => option.Validators.Add(result =>
        {
            if (result.GetValueOrDefault<T>() is { } value && value.CompareTo(least) < 0)
            {
                result.AddError($"{option.Name} must be at least {least} {unit}");
            }
        });
}
