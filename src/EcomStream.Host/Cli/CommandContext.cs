using System.Collections;

namespace EcomStream.Host.Cli;

/// <summary>What a command has of its process: standard streams, environment, clock. A test gives its own.</summary>
internal sealed class CommandContext
{
    /// <summary>Characters of a line where the terminal does not say.</summary>
    public const int DefaultWidth = 80;

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

    /// <summary>The terminal, for commands that redraw it; null where standard output is not one, and with NO_COLOR.</summary>
    public IScreen? Screen { get; init; }

    /// <summary>Whether a line of standard error can be rewritten: it is a terminal, and NO_COLOR is not set.</summary>
    public bool RewritesErrors { get; init; }

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
        var environment = System.Environment.GetEnvironmentVariables();
        var hasControls = string.IsNullOrEmpty(environment["NO_COLOR"] as string) && environment["TERM"] as string != "dumb";
        if (!hasControls)
        {
            // Console sets up the terminal at its first use, with control sequences that it finds by this name.
            System.Environment.SetEnvironmentVariable("TERM", "dumb");
        }

        return new CommandContext
        {
            Out = StandardOutput.Open(),
            Error = Console.Error,
            In = Console.In,
            Environment = environment,
            IsTerminal = isTerminal,
            Screen = isTerminal && hasControls ? new ConsoleScreen() : null,
            RewritesErrors = !Console.IsErrorRedirected && hasControls,
            Width = isTerminal && Console.WindowWidth > 0 ? Console.WindowWidth : DefaultWidth,
        };
    }
}
