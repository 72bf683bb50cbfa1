using System.CommandLine;
using System.CommandLine.Parsing;
using EcomStream.Host.Cli;
using EcomStream.Host.Commands;
using EcomStream.Host.Commands.DeadLetters;
using EcomStream.Host.Commands.Diagnosis;
using EcomStream.Host.Commands.Watching;

namespace EcomStream.Host;

/// <summary>The whole command line: what <c>Main</c> and the tests run.</summary>
internal static class CommandLineProgram
{
    /// <summary>Runs a command line.</summary>
    /// <returns>The exit code, see <see cref="Exit"/>.</returns>
    public static async Task<int> RunAsync(CommandContext context, params string[] arguments)
    {
        var root = Root(context);
        var result = root.Parse(arguments);
        try
        {
            if (result.Errors.Count > 0)
            {
                foreach (var error in result.Errors.Select(error => error.Message).Distinct())
                {
                    await context.Error.WriteLineAsync($"ecomstream: {error}");
                }

                await context.Error.WriteLineAsync($"Run '{PathOf(result.CommandResult)} --help' for its options.");
                return Exit.Usage;
            }

            // Exit handles the signals, and so does the generic host of a pipeline.
            return await result.InvokeAsync(new InvocationConfiguration
            {
                EnableDefaultExceptionHandler = false,
                ProcessTerminationTimeout = null,
                Output = context.Out,
                Error = context.Error,
            });
        }
        catch (IOException error) when (StandardOutput.IsReaderGone(error))
        {
            return Exit.ReaderGone;
        }
        catch (IOException unwritable)
        {
            // Standard output is closed or its disk is full.
            await context.Error.WriteLineAsync($"ecomstream: cannot write the output: {unwritable.Message}");
            return Exit.Failed;
        }
    }

    /// <summary>All commands.</summary>
    internal static RootCommand Root(CommandContext context) => ProgramVersion.AddTo(new("EcomStream joins a shop's orders with their payments as both arrive.")
    {
        DemoCommand.Create(context),
        RunCommand.Create(context),
        TopCommand.Create(context),
        ProduceCommand.Create(context),
        BrokerCommand.Create(context),
        OrdersCommand.Create(context),
        DeadLettersCommand.Create(context),
        SchemaCommand.Create(context),
        TopicsCommand.Create(context),
        ClusterCommand.Create(context),
        HealthCommand.Create(context),
        ConfigCommand.Create(context),
        DoctorCommand.Create(context),
    }, context);

    private static string PathOf(CommandResult? command) => command?.Parent is CommandResult parent
        ? $"{PathOf(parent)} {command.Command.Name}"
        : "ecomstream";
}
