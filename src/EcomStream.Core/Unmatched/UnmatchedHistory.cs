namespace EcomStream.Core;

/// <summary>
/// What happened to an unmatched payment, as its row keeps it: a line for each change, oldest first, of the time, the
/// state and a note. Of a long history the first line and the latest ones remain.
/// </summary>
public static class UnmatchedHistory
{
    /// <summary>Lines that are kept.</summary>
    public const int MaxLines = 20;

    private const int MaxNote = 200;

    /// <summary>A history with one more line.</summary>
    /// <param name="history">What is there.</param>
    /// <param name="atMicros">When it happened, microseconds since the Unix epoch.</param>
    /// <param name="state">What became of the payment.</param>
    /// <param name="note">What a human should know; its first 200 characters are kept, line breaks become spaces.</param>
    public static string Append(string history, long atMicros, UnmatchedState state, string note)
    {
        var text = note.Length > MaxNote ? note[..MaxNote] : note;
        var line = $"{Timestamps.Rfc3339(atMicros)} {state.ToText()} {text.ReplaceLineEndings(" ")}".TrimEnd();
        var lines = Lines(history).Append(line).ToList();
        if (lines.Count > MaxLines)
        {
            lines.RemoveRange(1, lines.Count - MaxLines);
        }

        return string.Join('\n', lines);
    }

    /// <summary>Its lines, oldest first.</summary>
    public static IReadOnlyList<string> Lines(string history) =>
        history.Split('\n', StringSplitOptions.RemoveEmptyEntries);
}
