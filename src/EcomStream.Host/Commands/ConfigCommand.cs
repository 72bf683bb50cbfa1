using System.CommandLine;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream config check</c>: every wrong or unknown key of the configuration.</summary>
internal static class ConfigCommand
{
    public static Command Create(CommandContext context) => new("config", "Check and show the configuration") { Check(context) };

    private static Command Check(CommandContext context)
    {
        var common = new CommonOptions(context);
        var check = new Command("check", "Read the configuration and report every wrong or unknown key");
        common.AddTo(check);
        return check.Runs(context, async (result, _) =>
        {
            var problems = ConfigurationCheck.Problems(common.Load(result), context.EmulatorHost);
            foreach (var problem in problems)
            {
                await context.Error.WriteLineAsync(problem);
            }

            if (problems.Count == 0)
            {
                await context.Out.WriteLineAsync("The configuration is valid.");
            }

            return problems.Count == 0 ? Exit.Ok : Exit.Differences;
        });
    }
}
