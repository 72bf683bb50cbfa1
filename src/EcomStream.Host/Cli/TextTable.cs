namespace EcomStream.Host.Cli;

/// <summary>
/// A table of text that is written while its rows come: column widths follow from the first rows, so that memory is bounded.
/// On a terminal the last column is cut to the line, never another one; into a pipe go cells separated by tabs, without
/// padding.
/// </summary>
internal sealed class TextTable(CommandContext context, IReadOnlyList<string> columns)
{
    private const int Measured = 200;
    private const int LeastLast = 12;
    private const string Gap = "  ";

    private readonly List<IReadOnlyList<string>> _first = [];
    private int[]? _widths;

    /// <summary>Adds a row; control characters in it are escaped.</summary>
    public void Add(params IReadOnlyList<string> cells)
    {
        string[] safe = [.. cells.Select(cell => Printable.Escape(cell))];
        if (!context.IsTerminal)
        {
            if (_widths is null)
            {
                _widths = [];
                context.Out.WriteLine(string.Join('\t', columns));
            }

            context.Out.WriteLine(string.Join('\t', safe));
        }
        else if (_widths is null)
        {
            _first.Add(safe);
            if (_first.Count == Measured)
            {
                WriteFirst();
            }
        }
        else
        {
            Write(safe);
        }
    }

    /// <summary>Writes what is not written yet.</summary>
    public void End()
    {
        if (_widths is not null)
        {
            return;
        }

        if (context.IsTerminal)
        {
            WriteFirst();
        }
        else
        {
            context.Out.WriteLine(string.Join('\t', columns));
        }
    }

    private void WriteFirst()
    {
        _widths = [.. columns.Select((name, column) => _first.Select(row => row[column].Length).Append(name.Length).Max())];
        Write(columns);
        foreach (var row in _first)
        {
            Write(row);
        }

        _first.Clear();
    }

    private void Write(IReadOnlyList<string> cells)
    {
        var line = string.Join(Gap, cells.Take(cells.Count - 1).Select((cell, column) => cell.PadRight(_widths![column])));
        var room = Math.Max(LeastLast, context.Width - line.Length - Gap.Length);
        var last = cells[^1].Length <= room ? cells[^1] : cells[^1][..(room - 1)] + "…";
        context.Out.WriteLine((cells.Count > 1 ? line + Gap + last : last).TrimEnd());
    }
}
