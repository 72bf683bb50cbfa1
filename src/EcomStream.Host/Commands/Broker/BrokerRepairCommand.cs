using System.CommandLine;
using EcomStream.Host.Cli;
using EcomStream.PubSub.Broker;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream broker repair</c>: reports damaged messages and acks of a broker that is not running, and makes the others readable.</summary>
internal static class BrokerRepairCommand
{
    public static Command Create(CommandContext context)
    {
        var common = new CommonOptions(context);
        var dryRun = new Option<bool>("--dry-run") { Description = "Report the damage and change nothing; the exit code is 3 if there is damage" };
        var command = new Command("repair", "Report damaged messages and acks of a broker that is not running, and make all others readable; damaged messages are lost") { dryRun };
        common.AddTo(command);
        return command.Runs(context, async (result, _) =>
        {
            var folder = common.Read(result).BrokerDirectory;
            if (!Directory.Exists(folder))
            {
                throw new UsageException($"The folder {folder} of a broker does not exist. Give the data folder with --data.");
            }

            var isDry = result.GetValue(dryRun);
            var damages = isDry ? BrokerRepair.Check(folder) : BrokerRepair.Repair(folder);
            foreach (var damage in damages)
            {
                await context.Out.WriteLineAsync(Describe(damage));
            }

            await context.Out.WriteLineAsync(
                damages.Count == 0 ? "no damage"
                : $"{(isDry ? "would lose" : "lost")} {damages.Sum(damage => damage.LostMessages)} messages; all others keep their ids"
                    + (damages.Any(damage => damage.IsOfAcks) ? ", and acks that cannot be read are lost: their messages are delivered again" : " and acks")
                    + (isDry || damages.All(damage => !File.Exists(damage.File + ".damaged")) ? "" : ". The damaged files are kept as *.damaged"));
            return isDry && damages.Count > 0 ? Exit.Differences : Exit.Ok;
        });
    }

    private static string Describe(LogDamage damage)
    {
        if (damage.IsOfAcks)
        {
            if (!File.Exists(damage.File))
            {
                return $"{damage.File} is missing: all messages since the subscription was created are delivered again";
            }

            return $"{damage.File} is damaged at byte {damage.Position}, {damage.Length} bytes: messages that were acked there are delivered again";
        }

        var lost = $"{damage.LostMessages} messages from offset {damage.FirstOffset} on";
        return damage.Length == 0 ? $"{damage.File} is missing: {lost}" : $"{damage.File} is damaged at byte {damage.Position}, {damage.Length} bytes: {lost}";
    }
}
