using System.CommandLine;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands.Diagnosis;

/// <summary><c>ecomstream doctor</c>: whether a run would work here, one line per check, with the remedy.</summary>
internal static class DoctorCommand
{
    private static readonly TimeSpan DefaultTimeout = TimeSpan.FromSeconds(10);

    public static Command Create(CommandContext context)
    {
        var common = new CommonOptions(context);
        var timeout = Options.Duration("--timeout", "How long one check may take; 10s when left out");
        var doctor = new Command(
            "doctor", "Check configuration, store, schema, Pub/Sub, subscriptions, permissions and clock, and print a remedy for what fails") { timeout };
        common.AddTo(doctor);
        return doctor.Runs(context, async (result, stop) =>
        {
            var report = new DoctorReport(context, result.GetValue(timeout) ?? DefaultTimeout);
            var settings = await ConfigurationAsync(report, common, context, result);
            if (settings is not null)
            {
                var checks = new DoctorChecks(settings, context);
                await report.CheckAsync("store", checks.StoreAsync, stop);
                await report.CheckAsync("pub/sub", checks.PubSubAsync, stop);
                await report.CheckAsync("clock", checks.ClockAsync, stop);
            }

            return report.HasFailed ? Exit.Differences : Exit.Ok;
        });
    }

    private static async Task<HostSettings?> ConfigurationAsync(DoctorReport report, CommonOptions common, CommandContext context, ParseResult result)
    {
        var user = common.Load(result);
        var problems = ConfigurationCheck.Problems(user, context.EmulatorHost);
        if (problems.Count > 0)
        {
            await report.FailedAsync("configuration", string.Join("; ", problems));
            return null;
        }

        await report.PassedAsync("configuration", $"{user.Values.Leaves().Count()} settings are set, the others have their defaults");
        return HostSettings.Read(user.Config, context.EmulatorHost, context.Environment);
    }
}
