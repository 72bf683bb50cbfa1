using System.Net;
using System.Net.Sockets;

namespace EcomStream.TestSupport;

/// <summary>Ports on loopback that are free, and stay so when the process that had one is started again.</summary>
public static class FreePorts
{
    // Below the range from which the system takes ports for connections.
    private const int First = 20_000;
    private const int Count = 10_000;

    private static int _next = Environment.ProcessId * 31 % Count;

    /// <summary>A port that no program listens on, and that was not given out before.</summary>
    public static int Next()
    {
        while (true)
        {
            var port = First + (int)((uint)Interlocked.Increment(ref _next) % Count);
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
}
