using System.Globalization;
using EcomStream.Core;
using Spectre.Console;

namespace EcomStream.Host.Commands.DeadLetters;

/// <summary>How rows are printed.</summary>
internal enum RowFormat
{
    /// <summary>A table for people.</summary>
    Table,

    /// <summary>A JSON object per line, with everything.</summary>
    Json,

    /// <summary>RFC 4180, with a heading.</summary>
    Csv,
}

/// <summary>Prints rows with named columns.</summary>
internal static class RowWriters
{
    /// <summary>Prints a table, or CSV.</summary>
    public static void Write(RowFormat format, IReadOnlyList<string> columns, IEnumerable<IReadOnlyList<string>> rows)
    {
        if (format == RowFormat.Csv)
        {
            Console.WriteLine(CsvLine(columns));
            foreach (var row in rows)
            {
                Console.WriteLine(CsvLine(row));
            }

            return;
        }

        var table = new Table().Border(TableBorder.Simple).AddColumns([.. columns]);
        foreach (var row in rows)
        {
            table.AddRow([.. row.Select(cell => Markup.Escape(cell))]);
        }

        Write(table);
    }

    /// <summary>Prints a table.</summary>
    public static void Write(Table table)
    {
        if (Console.IsOutputRedirected)
        {
            // Whoever reads a pipe has no window to fit lines into.
            AnsiConsole.Profile.Width = 250;
        }

        AnsiConsole.Write(table);
    }

    /// <summary>One line of CSV, without its end.</summary>
    public static string CsvLine(IEnumerable<string> cells) => string.Join(',', cells.Select(cell =>
        cell.AsSpan().IndexOfAny(",\"\r\n") < 0 ? cell : $"\"{cell.Replace("\"", "\"\"", StringComparison.Ordinal)}\""));

    /// <summary>A time to the second, for tables.</summary>
    public static string Time(long micros) => Timestamps.Time(micros).ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture);
}
