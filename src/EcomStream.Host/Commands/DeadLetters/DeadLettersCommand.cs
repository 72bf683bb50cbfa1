using System.CommandLine;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary>
/// <c>ecomstream dlq</c>: payments that wait for their order or were dead-lettered, and malformed messages. It works
/// on the store's table, while the pipeline runs or not.
/// </summary>
internal static class DeadLettersCommand
{
    public static Command Create() => new("dlq", "Look at dead letters and waiting payments, and handle them")
    {
        ListCommand.Create(),
        ShowCommand.Create(),
        StatsCommand.Create(),
        ReplayCommand.Create(),
        DiscardCommand.Create(),
        ExportCommand.Create(),
        ImportCommand.Create(),
    };
}
