using System.CommandLine;
using System.CommandLine.Invocation;
using System.Reflection;
using System.Runtime.InteropServices;

namespace EcomStream.Host.Cli;

/// <summary><c>--version</c>: the version and the commit that the program was built from.</summary>
internal sealed class ProgramVersion(CommandContext context) : SynchronousCommandLineAction
{
    private const int CommitLength = 12;

    /// <summary>Such as "0.1.0 (commit 1a2b3c4d5e6f, .NET 10.0.1)".</summary>
    public static string Text
    {
        get
        {
            var version = typeof(ProgramVersion).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()!.InformationalVersion.Split('+');
            var commit = version.Length > 1 ? $"commit {version[^1][..Math.Min(CommitLength, version[^1].Length)]}, " : "";
            return $"{version[0]} ({commit}{RuntimeInformation.FrameworkDescription})";
        }
    }

    public override int Invoke(ParseResult parseResult)
    {
        context.Out.WriteLine(Text);
        return Exit.Ok;
    }

    /// <summary>Makes the root command print it.</summary>
    public static RootCommand AddTo(RootCommand root, CommandContext context)
    {
        root.Options.OfType<VersionOption>().Single().Action = new ProgramVersion(context);
        return root;
    }
}
