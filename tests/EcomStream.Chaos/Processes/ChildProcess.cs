using System.Collections.Concurrent;
using System.Diagnostics;

namespace EcomStream.Chaos.Processes;

/// <summary>A process under test. Its output goes to a file, and its last lines are kept for a report.</summary>
internal sealed class ChildProcess : IDisposable
{
    private const int KeptLines = 60;

    private readonly Process _process;
    private readonly ConcurrentQueue<string> _last = new();
    private readonly TaskCompletionSource _ready = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly string _readyText;
    private readonly StreamWriter _log;

    private ChildProcess(ProcessStartInfo start, string readyText, string logFile)
    {
        _readyText = readyText;
        _log = new StreamWriter(logFile, append: true) { AutoFlush = true };

        // The process below writes the system's time, too, so the two can be compared.
        _log.WriteLine($"---- {DateTime.UtcNow:O} {start.FileName} {string.Join(' ', start.ArgumentList)}");
        _process = Process.Start(start) ?? throw new InvalidOperationException($"{start.FileName} did not start.");
        _process.OutputDataReceived += (_, line) => Append(line.Data);
        _process.ErrorDataReceived += (_, line) => Append(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public int ExitCode => _process.ExitCode;

    /// <summary>Whether the process has said that it works.</summary>
    public bool IsReady => _ready.Task.IsCompleted;

    /// <summary>What it uses; null when it has ended.</summary>
    public ProcessUsage? Usage => ProcessUsage.Of(Id);

    /// <summary>The last lines of its output.</summary>
    public string LastLines => string.Join(Environment.NewLine, _last);

    /// <summary>Starts the <c>ecomstream</c> program.</summary>
    /// <param name="arguments">Its command line.</param>
    /// <param name="readyText">The process works once a line of its output contains this.</param>
    /// <param name="logFile">The file that its output is appended to.</param>
    public static ChildProcess StartProgram(IEnumerable<string> arguments, string readyText, string logFile) =>
        Start("dotnet", [Path.Combine(AppContext.BaseDirectory, "ecomstream.dll"), .. arguments], readyText, logFile);

    /// <summary>Starts any program and waits for its end.</summary>
    /// <returns>Its exit code and its last lines.</returns>
    public static async Task<(int ExitCode, string Output)> RunAsync(string program, IEnumerable<string> arguments, string logFile, CancellationToken cancellationToken)
    {
        using var process = Start(program, arguments, "\n", logFile);
        await process._process.WaitForExitAsync(cancellationToken);
        return (process.ExitCode, process.LastLines);
    }

    /// <summary>Whether the process worked within a time.</summary>
    public async Task<bool> BecomesReadyAsync(TimeSpan within, CancellationToken cancellationToken)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        await Task.WhenAny(_ready.Task, _process.WaitForExitAsync(ended.Token), Task.Delay(within, ended.Token));
        await ended.CancelAsync();
        cancellationToken.ThrowIfCancellationRequested();
        return IsReady && !HasExited;
    }

    public void Send(Signal signal) => Signals.Send(Id, signal);

    /// <summary>kill -9; returns when the process is gone.</summary>
    public async Task KillAsync()
    {
        Send(Signal.Kill);
        await _process.WaitForExitAsync();
    }

    /// <summary>Waits for the end of the process; false when it still runs.</summary>
    public async Task<bool> EndsAsync(TimeSpan within)
    {
        using var deadline = new CancellationTokenSource(within);
        try
        {
            await _process.WaitForExitAsync(deadline.Token);
            return true;
        }
        catch (OperationCanceledException)
        {
            return false;
        }
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            Send(Signal.Kill);
            _process.WaitForExit();
        }

        _process.Dispose();
        lock (_log)
        {
            _log.Dispose();
        }
    }

    private static ChildProcess Start(string program, IEnumerable<string> arguments, string readyText, string logFile)
    {
        var start = new ProcessStartInfo(program, arguments) { RedirectStandardOutput = true, RedirectStandardError = true, UseShellExecute = false };
        start.Environment.Remove("PUBSUB_EMULATOR_HOST");
        start.Environment.Remove("PUBSUB_PROJECT_ID");
        start.Environment.Remove("GOOGLE_CLOUD_PROJECT");
        return new ChildProcess(start, readyText, logFile);
    }

    private void Append(string? line)
    {
        if (line is null)
        {
            return;
        }

        if (line.Contains(_readyText, StringComparison.Ordinal))
        {
            _ready.TrySetResult();
        }

        _last.Enqueue(line);
        while (_last.Count > KeptLines && _last.TryDequeue(out _))
        {
            // Only the last lines are kept.
        }

        lock (_log)
        {
            if (_log.BaseStream is { CanWrite: true })
            {
                _log.WriteLine(line);
            }
        }
    }
}
