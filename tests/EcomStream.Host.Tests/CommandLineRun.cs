using System.Text;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Tests;

/// <summary>A command line, run in this process with streams of its own.</summary>
/// <param name="Code">The exit code.</param>
/// <param name="Out">Standard output.</param>
/// <param name="Error">Standard error.</param>
internal sealed record CommandLineRun(int Code, string Out, string Error)
{
    public string[] Lines => Out.Split('\n', StringSplitOptions.RemoveEmptyEntries);

    public static Task<CommandLineRun> Of(params string[] arguments) => In(new Place(), arguments);

    public static async Task<CommandLineRun> In(Place place, params string[] arguments)
    {
        using var output = place.Output ?? new StringWriter(new StringBuilder()) { NewLine = "\n" };
        using var error = new StringWriter(new StringBuilder()) { NewLine = "\n" };
        var code = await CommandLineProgram.RunAsync(
            new CommandContext
            {
                Out = output,
                Error = error,
                In = new StringReader(place.Input),
                IsTerminal = place.Width > 0,
                Width = place.Width,
                Screen = place.Screen,
                Environment = place.Environment,
                Stop = place.Stop,
            },
            arguments);
        return new CommandLineRun(code, output.ToString() ?? "", error.ToString());
    }

    /// <summary>What a command line finds in its process.</summary>
    internal sealed record Place
    {
        public string Input { get; init; } = "";

        /// <summary>Characters of a line of the terminal; 0 for a pipe.</summary>
        public int Width { get; init; }

        public Dictionary<string, string> Environment { get; init; } = [];

        public CancellationToken Stop { get; init; }

        public TextWriter? Output { get; init; }

        public IScreen? Screen { get; init; }
    }
}
