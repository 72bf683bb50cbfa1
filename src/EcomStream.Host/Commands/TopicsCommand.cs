using System.CommandLine;
using EcomStream.Host.Cli;
using EcomStream.PubSub;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream topics create|check</c>: topics, subscriptions and permissions.</summary>
internal static class TopicsCommand
{
    public static Command Create(CommandContext context) => new("topics", "Create and check the topics and subscriptions") { Make(context), Check(context) };

    private static Command Make(CommandContext context)
    {
        var common = new CommonOptions(context);
        var dryRun = new Option<bool>("--dry-run") { Description = "Change nothing and print what would be created" };
        var command = new Command("create", "Create the missing topics and subscriptions; existing ones are not changed") { dryRun };
        common.AddTo(command);
        return command.Runs(context, async (result, stop) =>
        {
            var settings = common.Read(result);
            var only = result.GetValue(dryRun);
            await using var pubsub = await PubSubAccess.OpenAsync(settings, stop);
            var setup = new PubSubSetup(pubsub.Connection);
            var made = await setup.CreateMissingAsync(settings.Subscriptions, only, stop);
            foreach (var line in made)
            {
                await context.Out.WriteLineAsync($"{(only ? "would create" : "created")} {line}");
            }

            if (made.Count == 0)
            {
                await context.Out.WriteLineAsync("Nothing is missing.");
            }

            foreach (var line in setup.Grants(settings.Subscriptions))
            {
                await context.Out.WriteLineAsync($"to be granted: {line}");
            }

            return Exit.Ok;
        });
    }

    private static Command Check(CommandContext context)
    {
        var common = new CommonOptions(context);
        var command = new Command("check", "Report every difference between the settings and the server, permissions included");
        common.AddTo(command);
        return command.Runs(context, async (result, stop) =>
        {
            var settings = common.Read(result);
            await using var pubsub = await PubSubAccess.OpenAsync(settings, stop);
            var (differences, notChecked) = await new PubSubSetup(pubsub.Connection).CheckAsync(settings.Subscriptions, stop);
            foreach (var difference in differences)
            {
                await context.Error.WriteLineAsync(difference);
            }

            foreach (var left in notChecked)
            {
                await context.Out.WriteLineAsync($"not checked: {left}");
            }

            if (differences.Count == 0)
            {
                await context.Out.WriteLineAsync("Topics and subscriptions are as they should be.");
            }

            return differences.Count == 0 ? Exit.Ok : Exit.Differences;
        });
    }
}
