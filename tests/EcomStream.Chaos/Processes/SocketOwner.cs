using System.Globalization;

namespace EcomStream.Chaos.Processes;

/// <summary>Finds the process that has a TCP connection, as Linux tells it: proc(5), /proc/net/tcp and /proc/PID/fd.</summary>
internal static class SocketOwner
{
    private const int LocalAddress = 1;
    private const int Inode = 9;

    /// <summary>Which of some processes has a connection from a local port; 0 for none of them.</summary>
    /// <param name="localPort">The port that it connects from.</param>
    /// <param name="processIds">The processes.</param>
    public static int Find(int localPort, IEnumerable<int> processIds)
    {
        var port = $":{localPort.ToString("X4", CultureInfo.InvariantCulture)}";
        var sockets = new[] { "/proc/net/tcp", "/proc/net/tcp6" }
            .Where(File.Exists)
            .SelectMany(File.ReadLines)
            .Select(line => line.Split(' ', StringSplitOptions.RemoveEmptyEntries))
            .Where(fields => fields.Length > Inode && fields[LocalAddress].EndsWith(port, StringComparison.Ordinal))
            .Select(fields => $"socket:[{fields[Inode]}]")
            .ToHashSet();
        return processIds.FirstOrDefault(id => HasOneOf(id, sockets));
    }

    private static bool HasOneOf(int processId, HashSet<string> sockets)
    {
        try
        {
            return Directory.EnumerateFiles($"/proc/{processId}/fd").Any(file => File.ResolveLinkTarget(file, false) is { } link && sockets.Contains(link.Name));
        }
        catch (IOException)
        {
            // The process or the file has gone meanwhile.
            return false;
        }
    }
}
