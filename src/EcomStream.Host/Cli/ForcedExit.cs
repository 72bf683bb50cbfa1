using System.Runtime.InteropServices;

namespace EcomStream.Host;

/// <summary>The second Ctrl-C ends the process at once, whatever still drains; its exit code is 130.</summary>
internal static class ForcedExit
{
    private const int Interrupted = 130;
    private static int _interrupts;

    /// <summary>Counts interrupts until it is disposed.</summary>
    public static IDisposable Listen() => PosixSignalRegistration.Create(PosixSignal.SIGINT, context =>
    {
        context.Cancel = true;
        if (Interlocked.Increment(ref _interrupts) > 1)
        {
            // Not Environment.Exit: it waits for what is draining.
            Console.Error.WriteLine("ecomstream: interrupted again; messages in flight go back to their subscriptions when their leases end.");
            Exit(Interrupted);
        }
    });

    private static void Exit(int code)
    {
        if (OperatingSystem.IsWindows())
        {
            Environment.FailFast(null);
        }

        QuickExit(code);
    }

    [DllImport("libc", EntryPoint = "_exit")]
    [DefaultDllImportSearchPaths(DllImportSearchPath.SafeDirectories)]
    private static extern void QuickExit(int code);
}
