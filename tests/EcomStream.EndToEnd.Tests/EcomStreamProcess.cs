using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;

namespace EcomStream.EndToEnd.Tests;

/// <summary>The program as a user runs it: a process of its own.</summary>
internal sealed class EcomStreamProcess : IDisposable
{
    private const int FirstPort = 20_000;
    private const int Ports = 10_000;
    private const int SignalNumberOfInterrupt = 2;

    // Test processes that run at the same time begin at different places.
    private static int _ports = Environment.ProcessId * 31 % Ports;

    private readonly Process _process;
    private readonly StringBuilder _output = new();

    private EcomStreamProcess(IEnumerable<string> arguments, IReadOnlyDictionary<string, string>? environment)
    {
        var start = new ProcessStartInfo(InterruptIsIgnored ? "env" : "dotnet")
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            UseShellExecute = false,
        };
        if (InterruptIsIgnored)
        {
            start.ArgumentList.Add("--default-signal=INT");
            start.ArgumentList.Add("dotnet");
        }

        start.ArgumentList.Add(Path.Combine(AppContext.BaseDirectory, "ecomstream.dll"));
        foreach (var argument in arguments)
        {
            start.ArgumentList.Add(argument);
        }

        start.Environment.Remove("PUBSUB_EMULATOR_HOST");
        start.Environment.Remove("PUBSUB_PROJECT_ID");
        start.Environment.Remove("GOOGLE_CLOUD_PROJECT");
        foreach (var (name, value) in environment ?? new Dictionary<string, string>())
        {
            start.Environment[name] = value;
        }

        _process = Process.Start(start) ?? throw new InvalidOperationException("dotnet did not start.");
        _process.OutputDataReceived += (_, line) => Append(line.Data);
        _process.ErrorDataReceived += (_, line) => Append(line.Data);
        _process.BeginOutputReadLine();
        _process.BeginErrorReadLine();
    }

    public string Output
    {
        get
        {
            lock (_output)
            {
                return _output.ToString();
            }
        }
    }

    public int Id => _process.Id;

    public bool HasExited => _process.HasExited;

    public long WorkingSetBytes
    {
        get
        {
            _process.Refresh();
            return _process.WorkingSet64;
        }
    }

    // A shell starts background jobs with SIGINT ignored, and their children inherit that.
    private static bool InterruptIsIgnored { get; } = OperatingSystem.IsLinux()
        && File.ReadLines("/proc/self/status").FirstOrDefault(line => line.StartsWith("SigIgn:", StringComparison.Ordinal)) is { } ignored
        && (Convert.ToUInt64(ignored["SigIgn:".Length..].Trim(), 16) & (1UL << (SignalNumberOfInterrupt - 1))) != 0;

    public static EcomStreamProcess Start(params string[] arguments) => new(arguments, null);

    public static EcomStreamProcess Start(IReadOnlyDictionary<string, string> environment, params string[] arguments) => new(arguments, environment);

    /// <summary>
    /// A port that nobody listens on, and that no other test of this process gets. It is below the range from which the
    /// system takes ports for connections, so that none of them takes it between here and its use.
    /// </summary>
    public static int FreePort()
    {
        while (true)
        {
            var port = FirstPort + (int)((uint)Interlocked.Increment(ref _ports) % Ports);
            try
            {
                using var listener = new TcpListener(IPAddress.Loopback, port);
                listener.Start();
                return port;
            }
            catch (SocketException)
            {
                // Another program has it.
            }
        }
    }

    /// <summary>Completes when the pipeline joins; fails with what the process wrote when it ends before.</summary>
    public async Task JoinsAsync()
    {
        await TestSupport.Eventually.True(
            () => HasExited || Output.Contains("Joining", StringComparison.Ordinal), "the pipeline joins", TimeSpan.FromSeconds(90));
        HasExited.ShouldBeFalse(Output);
    }

    public async Task<int> ExitCodeAsync(TimeSpan within)
    {
        using var deadline = new CancellationTokenSource(within);
        try
        {
            await _process.WaitForExitAsync(deadline.Token);
        }
        catch (OperationCanceledException)
        {
            throw new TimeoutException($"Still running after {within.TotalSeconds:0} s:{Environment.NewLine}{Output}");
        }

        return _process.ExitCode;
    }

    /// <summary>kill -9.</summary>
    public async Task KillAsync()
    {
        _process.Kill(entireProcessTree: true);
        await _process.WaitForExitAsync();
    }

    /// <summary>SIGTERM, as a service manager sends it.</summary>
    public async Task TerminateAsync()
    {
        using var kill = Process.Start("kill", ["-TERM", _process.Id.ToString()])!;
        await kill.WaitForExitAsync();
    }

    public void Dispose()
    {
        if (!_process.HasExited)
        {
            _process.Kill(entireProcessTree: true);
            _process.WaitForExit();
        }

        _process.Dispose();
    }

    private void Append(string? line)
    {
        if (line is not null)
        {
            lock (_output)
            {
                _output.AppendLine(line);
            }
        }
    }
}
