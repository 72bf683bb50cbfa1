using EcomStream.TestSupport;

namespace EcomStream.Benchmarks;

/// <summary>The broker as a process of its own, with fsync = interval.</summary>
internal sealed class BrokerProcess(HostProcess process, int port) : IDisposable
{
    public long WorkingSet => process.WorkingSet;

    public long PeakWorkingSet => process.PeakWorkingSet;

    public TimeSpan Cpu => process.Cpu;

    public static BrokerProcess Start(string folder)
    {
        var port = FreePorts.Next();
        return new BrokerProcess(HostProcess.Start("broker", "--data", folder, "--port", $"{port}"), port);
    }

    /// <summary>Its host:port, once it listens.</summary>
    public async Task<string> EndpointAsync()
    {
        await process.WaitForAsync("export ");
        return $"127.0.0.1:{port}";
    }

    public void Kill() => process.Kill();

    public void Dispose() => process.Dispose();

    /// <summary>A folder for its files, deleted in the end.</summary>
    internal sealed class Folder : IDisposable
    {
        public string Path { get; } = Directory.CreateTempSubdirectory("ecomstream-bench-").FullName;

        public long Size => new DirectoryInfo(Path).EnumerateFiles("*", SearchOption.AllDirectories).Sum(file => file.Exists ? file.Length : 0);

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
