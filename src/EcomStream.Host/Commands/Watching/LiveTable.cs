using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands.Watching;

/// <summary>Rows of figures that appear one by one: aligned for a terminal, separated by tabs into a pipe.</summary>
internal sealed class LiveTable(CommandContext context)
{
    private bool _hasHeading;

    /// <summary>Writes a row, and before the first one the heading.</summary>
    public async Task AddAsync(FlowView flow)
    {
        await HeadingAsync(Line(FlowView.Columns));
        await context.Out.WriteLineAsync(Line(flow.Cells()));
    }

    /// <summary>Writes a row of CSV, and before the first one the heading.</summary>
    public async Task CsvAsync(FlowView flow)
    {
        await HeadingAsync(Csv.Line(FlowView.Columns));
        await context.Out.WriteLineAsync(Csv.Line(flow.Cells()));
    }

    private async Task HeadingAsync(string heading)
    {
        if (!_hasHeading)
        {
            _hasHeading = true;
            await context.Out.WriteLineAsync(heading);
        }
    }

    // On a terminal each cell is as wide as its heading at least, and the line is cut.
    private string Line(IReadOnlyList<string> cells)
    {
        if (!context.IsTerminal)
        {
            return string.Join('\t', cells.Select(cell => Printable.Escape(cell)));
        }

        var line = string.Join(' ', cells.Select((cell, column) => Printable.Escape(cell).PadLeft(FlowView.Columns[column].Length)));
        return line.Length <= context.Width ? line : string.Concat(line.AsSpan(0, context.Width - 1), "…");
    }
}
