using System.Globalization;

namespace EcomStream.Host.Cli;

/// <summary>
/// Reports how far a long command is, on standard error: one line that is rewritten on a terminal, a line every five seconds
/// elsewhere and with <c>NO_COLOR</c>. Dispose it before anything else is written.
/// </summary>
/// <param name="context">The process.</param>
/// <param name="verb">What it does, such as "replayed".</param>
/// <param name="total">How many there are; null where that is not known.</param>
internal sealed class ProgressReport(CommandContext context, string verb, long? total) : IDisposable
{
    private const string ClearLine = "\r\u001b[K";

    private static readonly TimeSpan _lineEvery = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan _rewriteEvery = TimeSpan.FromMilliseconds(250);

    private readonly long _start = context.Time.GetTimestamp();
    private long _last = context.Time.GetTimestamp();
    private bool _isShown;

    /// <summary>So many are done.</summary>
    public void Report(long done)
    {
        if (done >= total || context.Time.GetElapsedTime(_last) < (context.RewritesErrors ? _rewriteEvery : _lineEvery))
        {
            return;
        }

        _last = context.Time.GetTimestamp();
        var rate = done / context.Time.GetElapsedTime(_start).TotalSeconds;
        var left = rate > 0 && total is { } all ? $", {TimeSpan.FromSeconds(Math.Ceiling((all - done) / rate)):g} left" : "";
        var text = string.Create(CultureInfo.InvariantCulture, $"{verb} {done}{(total is null ? "" : $" of {total}")} ({rate:0}/s{left})");
        if (context.RewritesErrors)
        {
            _isShown = true;
            context.Error.Write(ClearLine + (text.Length < context.Width ? text : text[..(context.Width - 1)]));
        }
        else
        {
            context.Error.WriteLine(text);
        }
    }

    /// <summary>Removes the line from the terminal.</summary>
    public void Dispose()
    {
        if (_isShown)
        {
            _isShown = false;
            context.Error.Write(ClearLine);
        }
    }
}
