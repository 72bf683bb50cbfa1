using System.CommandLine;
using System.Text.Json;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream health</c>: whether a running host is ready, as an exit code for container engines and scripts.</summary>
internal static class HealthCommand
{
    private static readonly TimeSpan _defaultTimeout = TimeSpan.FromSeconds(5);

    public static Command Create(CommandContext context)
    {
        var common = new CommonOptions(context);
        var node = HostEndpoint.Option();
        var timeout = Options.Duration("--timeout", "How long the answer may take; 5s when left out");
        var health = new Command("health", "Ask a running host whether it is ready; the exit code is 0 when it is, and 1 when it is not") { node, timeout };
        common.AddTo(health);
        return health.Runs(context, async (result, stop) =>
        {
            using var host = HostEndpoint.Of(result.GetValue(node), common.Read(result).Operations, result.GetValue(timeout) ?? _defaultTimeout);
            var (status, body) = await host.AskAsync("/health/ready", stop);
            if (body.ValueKind != JsonValueKind.Object || !body.TryGetProperty("status", out var state) || !body.TryGetProperty("checks", out var checks))
            {
                throw new CommandFailedException($"The server at {host.Address} is not an EcomStream host.");
            }

            await context.Out.WriteLineAsync(state.GetString());
            foreach (var check in checks.EnumerateArray().Where(check => check.GetProperty("state").GetString() != "ok"))
            {
                await context.Out.WriteLineAsync(Printable.Escape(
                    $"{check.GetProperty("name").GetString()} ({check.GetProperty("state").GetString()}): {check.GetProperty("reason").GetString()}"));
            }

            return (int)status is >= 200 and < 300 ? Exit.Ok : Exit.Failed;
        });
    }
}
