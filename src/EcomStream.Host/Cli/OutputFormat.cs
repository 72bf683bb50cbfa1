using System.CommandLine;

namespace EcomStream.Host.Cli;

/// <summary>How a command prints its results.</summary>
internal enum OutputFormat
{
    /// <summary>A table for people.</summary>
    Table,

    /// <summary>A JSON object per line.</summary>
    Json,

    /// <summary>RFC 4180, with a heading.</summary>
    Csv,
}

/// <summary>The option --format, which is the same everywhere.</summary>
internal static class OutputFormats
{
    public static Option<OutputFormat> Option()
    {
        var option = Options.Choice("--format", OutputFormat.Table, "A table, a JSON object per line, or CSV with a heading");
        option.Aliases.Add("-f");
        return option;
    }
}
