using System.Diagnostics;
using EcomStream.Core;

namespace EcomStream.Hosting;

/// <summary>This process, as other processes can tell it from others; and whether another one still runs.</summary>
internal static class ProcessIdentity
{
    // Two boots of one machine, and two containers on it, count as different machines: process ids are unique within neither.
    private const string BootId = "/proc/sys/kernel/random/boot_id";
    private const string PidNamespace = "/proc/self/ns/pid";

    /// <summary>The machine and, in a container, its process namespace; empty where that is not known.</summary>
    public static string Machine { get; } = ReadMachine();

    /// <summary>This process as an owner.</summary>
    /// <param name="id">The id of the owner.</param>
    /// <param name="now">When its record is renewed.</param>
    public static SubscriptionOwner ToOwner(string id, DateTimeOffset now)
    {
        using var process = Process.GetCurrentProcess();
        return new SubscriptionOwner(
            id,
            $"process {process.Id} on {Environment.MachineName}",
            Machine,
            process.Id,
            StartedMicros(process),
            Timestamps.Micros(now));
    }

    /// <summary>Whether a process certainly has ended. One on another machine may run.</summary>
    public static bool HasEnded(SubscriptionOwner owner)
    {
        if (owner.Machine.Length == 0 || owner.Machine != Machine)
        {
            return false;
        }

        try
        {
            using var process = Process.GetProcessById(owner.ProcessId);
            if (IsZombie(owner.ProcessId))
            {
                return true;
            }

            // Another process may have got the id since. The system reports the start to within a few hundredths of a second.
            return Math.Abs(StartedMicros(process) - owner.ProcessStartedMicros) > 1_000_000;
        }
        catch (ArgumentException)
        {
            return true;
        }
        catch (Exception unknown) when (unknown is InvalidOperationException or System.ComponentModel.Win32Exception)
        {
            return false;
        }
    }

    // Ended, and its parent has not asked for its exit code yet. The state follows the name, which is in parentheses: proc(5).
    private static bool IsZombie(int processId)
    {
        try
        {
            var stat = OperatingSystem.IsLinux() ? File.ReadAllText($"/proc/{processId}/stat") : "";
            return stat.LastIndexOf(')') is var name and >= 0 && stat[(name + 1)..].TrimStart() is ['Z' or 'X', ..];
        }
        catch (IOException)
        {
            return true;
        }
    }

    private static long StartedMicros(Process process) => Timestamps.Micros(process.StartTime.ToUniversalTime());

    private static string ReadMachine()
    {
        try
        {
            return OperatingSystem.IsLinux()
                ? $"{File.ReadAllText(BootId).Trim()} {File.ResolveLinkTarget(PidNamespace, returnFinalTarget: false)?.Name}"
                : Environment.MachineName;
        }
        catch (Exception unreadable) when (unreadable is IOException or UnauthorizedAccessException)
        {
            return "";
        }
    }
}
