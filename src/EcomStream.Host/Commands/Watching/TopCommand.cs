using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands.Watching;

/// <summary><c>ecomstream top</c>: the flow of a running host, each second.</summary>
internal static class TopCommand
{
    private const string Home = "\u001b[H";
    private const string ClearLine = "\u001b[K";
    private const string ClearBelow = "\u001b[J";
    private const string Enter = "\u001b[?1049h\u001b[?25l";
    private const string Leave = "\u001b[?25h\u001b[?1049l";

    private static readonly JsonSerializerOptions _line = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };
    private static readonly TimeSpan _interval = TimeSpan.FromSeconds(1);
    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(5);

    public static Command Create(CommandContext context)
    {
        var common = new CommonOptions(context);
        var node = HostEndpoint.Option();
        var format = OutputFormats.Option();
        var isOnce = new Option<bool>("--once") { Description = "Print the state once and end" };
        var top = new Command("top", "Watch a running host: rates, backlog, watermark, dead letters and problems, each second; q or Ctrl-C ends it") { node, isOnce, format };
        common.AddTo(top);
        return top.Runs(context, async (result, stop) =>
        {
            using var host = HostEndpoint.Of(result.GetValue(node), common.Read(result).Operations, _timeout);
            if (context.Screen is { } screen && !result.GetValue(isOnce) && result.GetResult(format) is null or { Implicit: true })
            {
                await WatchAsync(context, screen, host, stop);
            }
            else
            {
                await PrintAsync(context, host, result.GetValue(format), result.GetValue(isOnce), stop);
            }

            return Exit.Ok;
        }, isService: true);
    }

    // One row or object a second, for pipes and for terminals without control sequences.
    private static async Task PrintAsync(CommandContext context, HostEndpoint host, OutputFormat format, bool isOnce, CancellationToken stop)
    {
        var table = new LiveTable(context);
        do
        {
            var answer = await host.GetAsync("/api/flow", stop);
            var flow = FlowView.Parse(answer, host.Address);
            switch (format)
            {
                case OutputFormat.Json:
                    await context.Out.WriteLineAsync(JsonSerializer.Serialize(answer, _line));
                    break;
                case OutputFormat.Csv:
                    await table.CsvAsync(flow);
                    break;
                default:
                    await table.AddAsync(flow);
                    break;
            }

            await context.Out.FlushAsync(stop);
            if (!isOnce)
            {
                await Task.Delay(_interval, context.Time, stop);
            }
        }
        while (!isOnce);
    }

    private static async Task WatchAsync(CommandContext context, IScreen screen, HostEndpoint host, CancellationToken stop)
    {
        // The first answer decides whether there is a host; later ones may fail while it restarts.
        var flow = FlowView.Parse(await host.GetAsync("/api/flow", stop), host.Address);
        string? failure = null;
        await context.Out.WriteAsync(Enter);
        try
        {
            while (true)
            {
                var lines = FlowScreen.Lines(flow, host.Address, failure, screen.Width, screen.Height - 1);
                await context.Out.WriteAsync(Home + string.Concat(lines.Select(line => line + ClearLine + "\r\n")) + ClearBelow);
                if (await screen.KeyAsync(_interval, stop) is 'q' or 'Q')
                {
                    return;
                }

                try
                {
                    (flow, failure) = (FlowView.Parse(await host.GetAsync("/api/flow", stop), host.Address), null);
                }
                catch (CommandFailedException error)
                {
                    failure = error.Message;
                }
            }
        }
        finally
        {
            await context.Out.WriteAsync(Leave);
        }
    }
}
