using System.CommandLine;
using EcomStream.PubSub;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream topics create|check</c>: topics, subscriptions and permissions.</summary>
internal static class TopicsCommand
{
    public static Command Create() => new("topics", "Make or verify the topics and subscriptions") { Make(), Check() };

    private static Command Make()
    {
        var common = new CommonOptions();
        var dryRun = new Option<bool>("--dry-run") { Description = "Only say what would be made" };
        var command = new Command("create", "Make the topics and subscriptions that are missing; what is there stays as it is") { dryRun };
        common.AddTo(command);
        command.SetAction((result, stop) => Exit.CodeOf(async () =>
        {
            var settings = common.Read(result);
            var only = result.GetValue(dryRun);
            await using var pubsub = await PubSubAccess.OpenAsync(settings, stop);
            var setup = new PubSubSetup(pubsub.Connection);
            var made = await setup.CreateMissingAsync(settings.Subscriptions, only, stop);
            foreach (var line in made)
            {
                Console.WriteLine($"{(only ? "would make" : "made")} {line}");
            }

            if (made.Count == 0)
            {
                Console.WriteLine("Nothing is missing.");
            }

            foreach (var line in setup.Grants(settings.Subscriptions))
            {
                Console.WriteLine($"to be granted: {line}");
            }

            return Exit.Ok;
        }));
        return command;
    }

    private static Command Check()
    {
        var common = new CommonOptions();
        var command = new Command("check", "Name every difference between what should be and what is there, permissions included");
        common.AddTo(command);
        command.SetAction((result, stop) => Exit.CodeOf(async () =>
        {
            var settings = common.Read(result);
            await using var pubsub = await PubSubAccess.OpenAsync(settings, stop);
            var (differences, notChecked) = await new PubSubSetup(pubsub.Connection).CheckAsync(settings.Subscriptions, stop);
            foreach (var difference in differences)
            {
                await Console.Error.WriteLineAsync(difference);
            }

            foreach (var left in notChecked)
            {
                Console.WriteLine($"not checked: {left}");
            }

            if (differences.Count == 0)
            {
                Console.WriteLine("Topics and subscriptions are as they should be.");
            }

            return differences.Count == 0 ? Exit.Ok : Exit.Failed;
        }));
        return command;
    }
}
