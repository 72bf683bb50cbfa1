using System.Collections;
using System.Text;

namespace EcomStream.Host.Cli;

/// <summary>What a command has of its process: standard streams, environment, clock. A test gives its own.</summary>
internal sealed class CommandContext
{
    private const int DefaultWidth = 80;

    /// <summary>Standard output: results only.</summary>
    public required TextWriter Out { get; init; }

    /// <summary>Standard error: errors, progress and summaries.</summary>
    public required TextWriter Error { get; init; }

    /// <summary>Standard input.</summary>
    public required TextReader In { get; init; }

    /// <summary>The environment variables.</summary>
    public IDictionary Environment { get; init; } = new Dictionary<string, string>();

    /// <summary>Whether standard output is a terminal rather than a pipe or a file.</summary>
    public bool IsTerminal { get; init; }

    /// <summary>Characters in a line of the terminal.</summary>
    public int Width { get; init; } = DefaultWidth;

    /// <summary>The clock.</summary>
    public TimeProvider Time { get; init; } = TimeProvider.System;

    /// <summary>Cancelled by a test as a signal would; never cancelled in a process.</summary>
    public CancellationToken Stop { get; init; }

    /// <summary>The emulator that the environment names; null or empty for none.</summary>
    public string? EmulatorHost => Environment[PubSub.PubSubSettings.EmulatorVariable] as string;

    /// <summary>The context of this process.</summary>
    public static CommandContext OfProcess()
    {
        var isTerminal = !Console.IsOutputRedirected;
        return new CommandContext
        {
            Out = new StreamWriter(Console.OpenStandardOutput(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = true },
            Error = Console.Error,
            In = Console.In,
            Environment = System.Environment.GetEnvironmentVariables(),
            IsTerminal = isTerminal,
            Width = isTerminal && Console.WindowWidth > 0 ? Console.WindowWidth : DefaultWidth,
        };
    }
}
