using System.Diagnostics.Metrics;
using Microsoft.Extensions.Logging;

namespace EcomStream.Sqlite;

/// <summary>
/// Rows of <c>unmatched_payments</c> that this version cannot decode, such as one with a state of a later version or an
/// operator's typo: each is skipped, counted and logged with its key, and the others are read.
/// </summary>
internal sealed partial class UndecodableRows(ILogger logger, TimeProvider time)
{
    private const int MaxKeys = 10_000;

    private static readonly Meter _meter = new("EcomStream.Sqlite");
    private static readonly Counter<long> _count = _meter.CreateCounter<long>(
        "ecomstream.store.undecodable_rows", "{row}", "Reads of rows that could not be decoded and were skipped.");

    private static readonly TimeSpan _logEvery = TimeSpan.FromMinutes(10);

    private readonly Dictionary<string, long> _logged = [];

    /// <summary>A row was skipped.</summary>
    /// <param name="row">Its key and what is wrong.</param>
    public void Skip(string row)
    {
        _count.Add(1);
        var now = time.GetTimestamp();
        lock (_logged)
        {
            // Listings read the same row again and again.
            if (_logged.TryGetValue(row, out var last) && time.GetElapsedTime(last, now) < _logEvery)
            {
                return;
            }

            if (_logged.Count >= MaxKeys)
            {
                _logged.Clear();
            }

            _logged[row] = now;
        }

        LogSkipped(logger, row);
    }

    [LoggerMessage(Level = LogLevel.Error, Message = "Skipped a row of unmatched_payments that cannot be decoded ({Row}). Correct or delete it.")]
    private static partial void LogSkipped(ILogger logger, string row);
}
