using System.CommandLine;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary>
/// <c>ecomstream dlq</c>: payments that wait for their order or were dead-lettered, and malformed messages. It works
/// on the store's table, whether the pipeline runs or not.
/// </summary>
internal static class DeadLettersCommand
{
    public static Command Create(CommandContext context) => new("dlq", "List, inspect, replay and discard dead letters and waiting payments")
    {
        ListCommand.Create(context),
        ShowCommand.Create(context),
        StatsCommand.Create(context),
        ReplayCommand.Create(context),
        DiscardCommand.Create(context),
        ExportCommand.Create(context),
        ImportCommand.Create(context),
    };
}
