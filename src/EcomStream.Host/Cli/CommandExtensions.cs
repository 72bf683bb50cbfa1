using System.CommandLine;

namespace EcomStream.Host.Cli;

/// <summary>How commands are given their work.</summary>
internal static class CommandExtensions
{
    /// <summary>Sets what a command does; what it throws becomes one line and an exit code.</summary>
    /// <param name="command">The command.</param>
    /// <param name="context">The process.</param>
    /// <param name="work">The work; its token is cancelled by Ctrl-C and SIGTERM.</param>
    /// <param name="isService">Whether the command runs until it is stopped.</param>
    public static Command Runs(this Command command, CommandContext context, Func<ParseResult, CancellationToken, Task<int>> work, bool isService = false)
    {
        command.SetAction((result, _) => Exit.CodeOf(context, stop => work(result, stop), isService));
        return command;
    }
}
