using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Tests;

/// <summary>Keeps what is logged, as text.</summary>
internal sealed class LogLines : ILoggerProvider, ILogger
{
    private readonly ConcurrentQueue<string> _lines = new();

    public IReadOnlyList<string> Lines => [.. _lines];

    /// <summary>What is logged with this level makes the logger fail: the error that no one expects.</summary>
    public LogLevel FailsAt { get; set; } = LogLevel.None;

    public ILogger CreateLogger(string categoryName) => this;

    public IDisposable? BeginScope<TState>(TState state)
        where TState : notnull => null;

    public bool IsEnabled(LogLevel logLevel) => true;

    public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
    {
        if (logLevel == FailsAt)
        {
            throw new InvalidOperationException("The logger fails.");
        }

        _lines.Enqueue(formatter(state, exception));
    }

    public void Dispose()
    {
        // Nothing is held.
    }
}
