using System.Diagnostics;

namespace EcomStream.Benchmarks;

/// <summary>The program as a process of its own.</summary>
internal sealed class HostProcess : IDisposable
{
    private readonly Process _process;

    private HostProcess(Process process) => _process = process;

    /// <summary>Its resident memory now, bytes.</summary>
    public long WorkingSet => Fresh.WorkingSet64;

    /// <summary>Its largest resident memory, bytes.</summary>
    public long PeakWorkingSet => Fresh.PeakWorkingSet64;

    /// <summary>CPU time that it has taken since it started.</summary>
    public TimeSpan Cpu => Fresh.TotalProcessorTime;

    private Process Fresh
    {
        get
        {
            _process.Refresh();
            return _process;
        }
    }

    /// <summary>Starts it; what it logs above the level of information is passed on.</summary>
    /// <param name="arguments">Its command line.</param>
    public static HostProcess Start(params IEnumerable<string> arguments)
    {
        var start = new ProcessStartInfo("dotnet", [Path.Combine(AppContext.BaseDirectory, "ecomstream.dll"), .. arguments])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        var process = Process.Start(start)!;
        process.ErrorDataReceived += (_, line) =>
        {
            if (line.Data?.Contains(" info: ", StringComparison.Ordinal) == false)
            {
                Console.Error.WriteLine(line.Data);
            }
        };
        process.BeginErrorReadLine();
        return new HostProcess(process);
    }

    /// <summary>Waits for a line of its output.</summary>
    /// <param name="beginning">How the line begins.</param>
    /// <exception cref="InvalidOperationException">It ends before.</exception>
    public async Task WaitForAsync(string beginning)
    {
        string? line;
        do
        {
            line = await _process.StandardOutput.ReadLineAsync()
                ?? throw new InvalidOperationException($"The process ended with exit code {_process.ExitCode}.");
        }
        while (!line.StartsWith(beginning, StringComparison.Ordinal));
        _ = _process.StandardOutput.ReadToEndAsync();
    }

    /// <summary>Kills it.</summary>
    public void Kill()
    {
        _process.Kill();
        _process.WaitForExit();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            Kill();
        }

        _process.Dispose();
    }
}
