using System.CommandLine;
using EcomStream.Host.Cli;
using EcomStream.PubSub.Broker;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream broker repair</c>: reports damaged messages of a broker that does not run, and continues without them.</summary>
internal static class BrokerRepairCommand
{
    public static Command Create(CommandContext context)
    {
        var common = new CommonOptions(context);
        var dryRun = new Option<bool>("--dry-run") { Description = "Report the damage and change nothing; the exit code is 3 if there is any" };
        var command = new Command("repair", "Make the messages of a broker that does not run readable around damaged ones, which are lost") { dryRun };
        common.AddTo(command);
        return command.Runs(context, async (result, _) =>
        {
            var folder = common.Read(result).BrokerDirectory;
            if (!Directory.Exists(folder))
            {
                throw new UsageException($"There is no broker's folder {folder}: name the data folder with --data.");
            }

            var isDry = result.GetValue(dryRun);
            var damages = isDry ? BrokerRepair.Check(folder) : BrokerRepair.Repair(folder);
            foreach (var damage in damages)
            {
                await context.Out.WriteLineAsync(Describe(damage));
            }

            await context.Out.WriteLineAsync(
                damages.Count == 0 ? "no damage"
                : $"{(isDry ? "would lose" : "lost")} {damages.Sum(damage => damage.LostMessages)} messages; all others keep their ids and acks{(isDry ? "" : ". The damaged files are kept as *.damaged")}");
            return isDry && damages.Count > 0 ? Exit.Differences : Exit.Ok;
        });
    }

    private static string Describe(LogDamage damage)
    {
        var lost = $"{damage.LostMessages} messages from offset {damage.FirstOffset} on";
        return damage.Length == 0 ? $"{damage.File} is missing: {lost}" : $"{damage.File} is damaged at byte {damage.Position}, {damage.Length} bytes: {lost}";
    }
}
