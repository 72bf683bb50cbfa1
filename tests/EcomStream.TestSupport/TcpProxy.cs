using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;

namespace EcomStream.TestSupport;

/// <summary>Stands between a client and a server on loopback, and cuts, stalls or delays what passes.</summary>
public sealed class TcpProxy : IAsyncDisposable
{
    private static readonly TimeSpan _blockedPoll = TimeSpan.FromMilliseconds(20);

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly IPEndPoint _server;
    private readonly CancellationTokenSource _closing = new();
    private readonly ConcurrentDictionary<TcpClient, TcpClient> _pairs = new();
    private readonly ConcurrentDictionary<TcpClient, bool> _blackholes = new();
    private readonly Func<int, int> _identify;
    private volatile Predicate<int>? _blocked;
    private readonly Task _accepting;
    private volatile TaskCompletionSource _open = Opened();
    private volatile bool _refusing;
    private int _accepted;

    /// <summary>Makes a proxy that listens on a free port.</summary>
    /// <param name="server">host:port of the server.</param>
    /// <param name="identify">
    /// Tells who a client is by the port that it connects from, for <see cref="Block"/>; all are 0 when left out.
    /// </param>
    public TcpProxy(string server, Func<int, int>? identify = null)
    {
        _identify = identify ?? (_ => 0);
        _server = IPEndPoint.Parse(server);
        _listener.Start();
        _accepting = Task.Run(AcceptAsync);
    }

    /// <summary>host:port for the client.</summary>
    public string Endpoint => _listener.LocalEndpoint.ToString()!;

    /// <summary>Connections taken so far.</summary>
    public int Accepted => Volatile.Read(ref _accepted);

    /// <summary>How long each piece that passes is held up.</summary>
    public TimeSpan Delay { get; set; }

    /// <summary>Nothing passes any more, in either direction; connections stay open and are taken.</summary>
    public void Stall()
    {
        if (_open.Task.IsCompleted)
        {
            _open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }
    }

    /// <summary>
    /// Nothing passes any more between some clients and the server, over connections that there are and new ones; what is
    /// sent is held up, as by a network that is divided.
    /// </summary>
    /// <param name="clients">Which; null for none, and what was held up passes.</param>
    public void Block(Predicate<int>? clients) => _blocked = clients;

    /// <summary>What was held up passes, and so does the rest.</summary>
    public void Resume() => _open.TrySetResult();

    /// <summary>Nothing passes any more over the connections that there are, which stay open; new ones pass.</summary>
    public void Blackhole()
    {
        foreach (var client in _pairs.Keys)
        {
            _blackholes[client] = true;
        }
    }

    /// <summary>Closes every connection.</summary>
    public void Cut()
    {
        foreach (var (client, server) in _pairs)
        {
            Close(client, server);
        }
    }

    /// <summary>Whether new connections are closed at once.</summary>
    public void Refuse(bool refuse) => _refusing = refuse;

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        _listener.Stop();
        Resume();
        Cut();
        await _accepting;
        _closing.Dispose();
    }

    private static TaskCompletionSource Opened()
    {
        var open = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        open.SetResult();
        return open;
    }

    private async Task AcceptAsync()
    {
        while (!_closing.IsCancellationRequested)
        {
            try
            {
                var client = await _listener.AcceptTcpClientAsync(_closing.Token);
                Interlocked.Increment(ref _accepted);
                if (_refusing)
                {
                    client.Dispose();
                    continue;
                }

                var server = new TcpClient { NoDelay = true };
                client.NoDelay = true;
                try
                {
                    await server.ConnectAsync(_server, _closing.Token);
                }
                catch (SocketException)
                {
                    // As if nobody listened: the client must not wait on a connection that leads nowhere.
                    Close(client, server);
                    continue;
                }

                _pairs[client] = server;
                var who = _identify(((IPEndPoint)client.Client.RemoteEndPoint!).Port);
                _ = PumpAsync(client, server, client, server, who);
                _ = PumpAsync(server, client, client, server, who);
            }
            catch (Exception ended) when (ended is OperationCanceledException or SocketException or ObjectDisposedException)
            {
                // The server is away, or the test is over.
            }
        }
    }

    private async Task PumpAsync(TcpClient from, TcpClient to, TcpClient client, TcpClient server, int who)
    {
        var buffer = new byte[1 << 16];
        try
        {
            while (true)
            {
                var read = await from.GetStream().ReadAsync(buffer, _closing.Token);
                await _open.Task.WaitAsync(_closing.Token);
                if (Delay > TimeSpan.Zero)
                {
                    await Task.Delay(Delay, _closing.Token);
                }

                while (_blocked is { } blocked && blocked(who))
                {
                    await Task.Delay(_blockedPoll, _closing.Token);
                }

                if (read == 0)
                {
                    break;
                }

                if (_blackholes.ContainsKey(client))
                {
                    continue;
                }

                await to.GetStream().WriteAsync(buffer.AsMemory(0, read), _closing.Token);
            }
        }
        catch (Exception ended) when (ended is IOException or OperationCanceledException or ObjectDisposedException or InvalidOperationException)
        {
            // One side has gone; the other goes too.
        }

        Close(client, server);
    }

    private void Close(TcpClient client, TcpClient server)
    {
        _pairs.TryRemove(client, out _);
        _blackholes.TryRemove(client, out _);
        client.Dispose();
        server.Dispose();
    }
}
