using System.Text;
using Microsoft.Win32.SafeHandles;

namespace EcomStream.Host.Cli;

/// <summary>Standard output of the process.</summary>
internal static class StandardOutput
{
    private const int BrokenPipe = 32;
    private const int Descriptor = 1;

    /// <summary>
    /// Opens it. The stream of <see cref="Console"/> ignores that the reader of a pipe has ended; this one throws, so that a
    /// command in front of <c>head</c> ends too.
    /// </summary>
    public static TextWriter Open() =>
        new StreamWriter(Pipe() ?? Console.OpenStandardOutput(), new UTF8Encoding(encoderShouldEmitUTF8Identifier: false)) { AutoFlush = true };

    /// <summary>Whether a write failed because the reader of a pipe has ended.</summary>
    public static bool IsReaderGone(IOException error) => !OperatingSystem.IsWindows() && error.HResult == BrokenPipe;

    // Files and terminals stay with Console: a FileStream keeps a position of its own, which others that write to the same file do not see.
    private static FileStream? Pipe()
    {
        if (OperatingSystem.IsWindows() || !Console.IsOutputRedirected)
        {
            return null;
        }

        try
        {
            var stream = new FileStream(new SafeFileHandle(Descriptor, ownsHandle: false), FileAccess.Write, bufferSize: 0);
            return stream.CanSeek ? null : stream;
        }
        catch (Exception error) when (error is IOException or ArgumentException or UnauthorizedAccessException)
        {
            // It is closed, or something else that only the console can write to.
            return null;
        }
    }
}
