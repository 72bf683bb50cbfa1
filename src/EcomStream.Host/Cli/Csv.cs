using System.Globalization;

namespace EcomStream.Host.Cli;

/// <summary>Lines of CSV (RFC 4180).</summary>
internal static class Csv
{
    /// <summary>
    /// One line without its end. A text that a spreadsheet would run as a formula gets an apostrophe in front
    /// (https://owasp.org/www-community/attacks/CSV_Injection); numbers stay as they are.
    /// </summary>
    public static string Line(IEnumerable<string> cells) => string.Join(',', cells.Select(cell =>
    {
        var safe = IsFormula(cell) ? "'" + cell : cell;
        return safe.AsSpan().IndexOfAny(",\"\r\n") < 0 ? safe : $"\"{safe.Replace("\"", "\"\"", StringComparison.Ordinal)}\"";
    }));

    private static bool IsFormula(string cell) =>
        cell.Length > 0 && cell[0] is ('=' or '+' or '-' or '@' or '\t' or '\r')
        && !double.TryParse(cell, NumberStyles.Float, CultureInfo.InvariantCulture, out _);
}
