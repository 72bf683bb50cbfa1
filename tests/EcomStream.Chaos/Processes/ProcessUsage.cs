using System.Globalization;

namespace EcomStream.Chaos.Processes;

/// <summary>What a process uses, as /proc has it.</summary>
/// <param name="ResidentBytes">Resident memory, bytes.</param>
/// <param name="Handles">Open file descriptors.</param>
/// <param name="Threads">Threads.</param>
internal readonly record struct ProcessUsage(long ResidentBytes, int Handles, int Threads)
{
    /// <summary>Reads it; null when the process has ended.</summary>
    public static ProcessUsage? Of(int processId)
    {
        try
        {
            var lines = File.ReadAllLines($"/proc/{processId}/status");
            return new ProcessUsage(
                Number(lines, "VmRSS:") * 1024,
                Directory.GetFileSystemEntries($"/proc/{processId}/fd").Length,
                (int)Number(lines, "Threads:"));
        }
        catch (Exception ended) when (ended is IOException or UnauthorizedAccessException or InvalidOperationException)
        {
            return null;
        }
    }

    private static long Number(string[] lines, string name) =>
        long.Parse(lines.First(line => line.StartsWith(name, StringComparison.Ordinal))[name.Length..].Replace("kB", "", StringComparison.Ordinal), CultureInfo.InvariantCulture);
}
