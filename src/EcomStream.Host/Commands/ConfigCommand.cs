using System.CommandLine;
using System.Text.Encodings.Web;
using System.Text.Json;
using Akka.Configuration;
using EcomStream.Host.Cli;
using EcomStream.Hosting;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream config check|show</c>: what is wrong with the configuration, and what is in effect.</summary>
internal static class ConfigCommand
{
    private static readonly JsonSerializerOptions _line = new() { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping };

    public static Command Create(CommandContext context) => new("config", "Check and show the configuration") { Check(context), Show(context) };

    private static Command Check(CommandContext context)
    {
        var common = new CommonOptions(context);
        var check = new Command("check", "Report every wrong, unknown or misplaced key, with its file and line");
        common.AddTo(check);
        return check.Runs(context, async (result, _) =>
        {
            var user = common.Load(result);
            List<string> problems = [.. ConfigurationCheck.Problems(user, context.EmulatorHost)];
            if (problems.Count == 0 && ListenProblem(HostSettings.Read(user.Config, context.EmulatorHost, context.Environment).Operations) is { } problem)
            {
                problems.Add(problem);
            }

            foreach (var line in problems.Concat(user.Notes.Select(note => $"note: {note}")))
            {
                await context.Error.WriteLineAsync(line);
            }

            if (problems.Count == 0)
            {
                await context.Out.WriteLineAsync("The configuration is valid.");
            }

            return problems.Count == 0 ? Exit.Ok : Exit.Differences;
        });
    }

    // Other commands need no token, and run may listen elsewhere.
    private static string? ListenProblem(OperationsSettings settings)
    {
        try
        {
            _ = settings.HttpAddress.Length > 0 ? OperationsSettings.ListenAddress(settings.HttpAddress, settings.HttpToken) : null;
            return null;
        }
        catch (ConfigurationException problem)
        {
            return problem.Message;
        }
    }

    private static Command Show(CommandContext context)
    {
        var common = new CommonOptions(context);
        var format = OutputFormats.Option();
        var isChanged = new Option<bool>("--changed") { Description = "Only settings that a file, the environment or the command line sets" };
        var show = new Command("show", "Show the settings in effect and where each comes from; secrets are masked") { format, isChanged };
        common.AddTo(show);
        return show.Runs(context, async (result, _) =>
        {
            var settings = EffectiveSettings.Of(common.Load(result), context.Environment).Where(setting => !setting.IsDefault || !result.GetValue(isChanged));
            switch (result.GetValue(format))
            {
                case OutputFormat.Json:
                    foreach (var setting in settings)
                    {
                        await context.Out.WriteLineAsync(JsonSerializer.Serialize(
                            new Dictionary<string, string> { ["path"] = setting.Path, ["value"] = setting.Value, ["origin"] = setting.Origin }, _line));
                    }

                    break;
                case OutputFormat.Csv:
                    await context.Out.WriteLineAsync(Csv.Line(["path", "value", "origin"]));
                    foreach (var setting in settings)
                    {
                        await context.Out.WriteLineAsync(Csv.Line([setting.Path, setting.Value, setting.Origin]));
                    }

                    break;
                default:
                    foreach (var setting in settings)
                    {
                        await context.Out.WriteLineAsync(
                            Printable.Escape($"{setting.Path} = {setting.Value}") + (setting.IsDefault ? "" : $"  # {Printable.Escape(setting.Origin)}"));
                    }

                    break;
            }

            return Exit.Ok;
        });
    }
}
