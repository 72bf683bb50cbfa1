using System.Globalization;

namespace EcomStream.Host.Cli;

/// <summary>Reports how far a long command is, on standard error, at most every two seconds.</summary>
/// <param name="context">The process.</param>
/// <param name="verb">What it does, such as "replayed".</param>
/// <param name="total">How many there are.</param>
internal sealed class ProgressReport(CommandContext context, string verb, long total)
{
    private static readonly TimeSpan Every = TimeSpan.FromSeconds(2);

    private readonly long _start = context.Time.GetTimestamp();
    private long _last = context.Time.GetTimestamp();

    /// <summary>So many are done.</summary>
    public async Task ReportAsync(long done)
    {
        if (done >= total || context.Time.GetElapsedTime(_last) < Every)
        {
            return;
        }

        _last = context.Time.GetTimestamp();
        var rate = done / context.Time.GetElapsedTime(_start).TotalSeconds;
        var left = rate > 0 ? $", {TimeSpan.FromSeconds(Math.Ceiling((total - done) / rate)):g} left" : "";
        await context.Error.WriteLineAsync(string.Create(CultureInfo.InvariantCulture, $"{verb} {done} of {total} ({rate:0}/s{left})"));
    }
}
