using System.Runtime.InteropServices;

namespace EcomStream.Chaos.Processes;

/// <summary>The POSIX signals that a fault sends (Linux numbers, signal(7)).</summary>
internal enum Signal
{
    Kill = 9,
    Terminate = 15,
    Continue = 18,
    Stop = 19,
}

/// <summary>kill(2).</summary>
internal static partial class Signals
{
    /// <summary>Sends a signal; a process that has ended gets none.</summary>
    public static void Send(int processId, Signal signal) => _ = Kill(processId, (int)signal);

    [LibraryImport("libc", EntryPoint = "kill")]
    private static partial int Kill(int processId, int signal);
}
