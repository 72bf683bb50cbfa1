using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace EcomStream.Hosting;

/// <summary>One line of the log.</summary>
/// <param name="Number">Counts up from 1.</param>
/// <param name="At">When it was logged.</param>
/// <param name="Level">Its level.</param>
/// <param name="Category">Who logged it.</param>
/// <param name="Message">Its text, and the message of its exception.</param>
internal sealed record RecentLog(long Number, DateTimeOffset At, LogLevel Level, string Category, string Message);

/// <summary>Keeps the latest warnings and errors, for the dashboard.</summary>
internal sealed class RecentLogs(TimeProvider time) : ILoggerProvider
{
    /// <summary>Lines that are kept.</summary>
    public const int Capacity = 500;

    private readonly Queue<RecentLog> _lines = new();
    private readonly ConcurrentDictionary<string, ILogger> _loggers = new();
    private long _number;

    /// <summary>The lines that are kept, newest first.</summary>
    public IReadOnlyList<RecentLog> Lines
    {
        get
        {
            lock (_lines)
            {
                return [.. _lines.Reverse()];
            }
        }
    }

    public ILogger CreateLogger(string categoryName) => _loggers.GetOrAdd(categoryName, name => new Logger(this, name));

    public void Dispose()
    {
    }

    private void Add(LogLevel level, string category, string message)
    {
        lock (_lines)
        {
            _lines.Enqueue(new RecentLog(++_number, time.GetUtcNow(), level, category, message));
            if (_lines.Count > Capacity)
            {
                _lines.Dequeue();
            }
        }
    }

    private sealed class Logger(RecentLogs logs, string category) : ILogger
    {
        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public bool IsEnabled(LogLevel logLevel) => logLevel is >= LogLevel.Warning and < LogLevel.None;

        public void Log<TState>(
            LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
            {
                var text = formatter(state, exception);
                logs.Add(logLevel, category, exception is null || text.Contains(exception.Message, StringComparison.Ordinal) ? text : $"{text} ({exception.Message})");
            }
        }
    }
}
