using System.CommandLine;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream config check</c>: every wrong or unknown key of the configuration.</summary>
internal static class ConfigCommand
{
    public static Command Create()
    {
        var common = new CommonOptions();
        var check = new Command("check", "Read the configuration and name every wrong or unknown key");
        common.AddTo(check);
        check.SetAction((result, _) => Exit.CodeOf(async () =>
        {
            var problems = ConfigurationCheck.Problems(common.Load(result), CommonOptions.EmulatorHost);
            foreach (var problem in problems)
            {
                await Console.Error.WriteLineAsync(problem);
            }

            if (problems.Count == 0)
            {
                Console.WriteLine("The configuration is right.");
            }

            return problems.Count == 0 ? Exit.Ok : Exit.Usage;
        }));
        return new Command("config", "Work with the configuration") { check };
    }
}
