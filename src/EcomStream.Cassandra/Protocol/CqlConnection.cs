using System.Net;
using System.Net.Sockets;

namespace EcomStream.Cassandra.Protocol;

/// <summary>
/// One connection to one node. Requests are pipelined: up to <see cref="CassandraSettings.MaxInFlight"/> are under
/// way at once, told apart by their stream ids, and what is sent while a write is under way goes out together with
/// the next one. It owns the socket; once closed, for whatever reason, it stays closed, and everything under way fails.
/// </summary>
internal sealed class CqlConnection : IAsyncDisposable
{
    private const int ReceiveBuffer = 1 << 16;
    private static readonly TimeSpan _tick = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new();
    private readonly CassandraSettings _settings;
    private readonly TimeProvider _time;
    private readonly Stream _stream;
    private readonly EnvelopeReader _reader;
    private readonly EnvelopeWriter _writer;
    private readonly StreamIds _streams;
    private readonly SemaphoreSlim _slots;
    private readonly SemaphoreSlim _toSend = new(0, 1);
    private readonly CancellationTokenSource _closing = new();
    private readonly TaskCompletionSource<Exception> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly EnvelopeReader.Handler _onEnvelope;
    private readonly Task _loops;
    private ByteWriter _queued = new(1 << 16);
    private ByteWriter _sending = new(1 << 16);
    private bool _isSignalled;
    private bool _isClosed;
    private long _lastReceived;

    public CqlConnection(Stream stream, IPEndPoint endpoint, byte version, CassandraSettings settings, TimeProvider time)
    {
        (_stream, Endpoint, Version, _settings, _time) = (stream, endpoint, version, settings, time);
        _reader = new EnvelopeReader(settings.Compression);
        _writer = new EnvelopeWriter(version, settings.Compression);
        _streams = new StreamIds(settings.MaxInFlight);
        _slots = new SemaphoreSlim(settings.MaxInFlight, settings.MaxInFlight);
        _lastReceived = time.GetTimestamp();
        _onEnvelope = OnEnvelope;
        _loops = Task.WhenAll(Task.Run(ReceiveLoop), Task.Run(SendLoop), Task.Run(WatchLoop));
    }

    public IPEndPoint Endpoint { get; }

    public byte Version { get; }

    /// <summary>Completes when the connection is closed, with the reason.</summary>
    public Task<Exception> Closed => _closed.Task;

    public bool IsOpen => !_closed.Task.IsCompleted;

    /// <summary>Requests under way, the abandoned ones included.</summary>
    public int InFlight => _settings.MaxInFlight - _slots.CurrentCount;

    /// <summary>Takes what the server pushes. Set before REGISTER is sent.</summary>
    public Action<CqlEvent>? OnEvent { get; set; }

    /// <summary>Opens a socket.</summary>
    /// <exception cref="CqlConnectionException">The node does not take the connection in time.</exception>
    public static async Task<Stream> ConnectAsync(IPEndPoint endpoint, TimeSpan timeout, CancellationToken cancellationToken)
    {
        using var deadline = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        deadline.CancelAfter(timeout);
        Socket? socket = null;
        try
        {
            socket = new Socket(endpoint.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            await socket.ConnectAsync(endpoint, deadline.Token);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch (Exception failed) when (failed is SocketException or OperationCanceledException)
        {
            socket?.Dispose();
            cancellationToken.ThrowIfCancellationRequested();
            throw new CqlConnectionException(
                $"{endpoint} takes no connection{(failed is SocketException socketError ? $" ({socketError.SocketErrorCode})" : $" within {timeout.TotalSeconds} s")}.", failed);
        }
    }

    /// <summary>
    /// Sends a request and completes with its answer. When the connection has as many requests under way as it may,
    /// the caller waits.
    /// </summary>
    /// <exception cref="CqlException">The server's error, a timeout, or the loss of the connection.</exception>
    public async Task<CqlResponse> SendAsync(CqlRequest request, CancellationToken cancellationToken)
    {
        await TakeSlot(cancellationToken);
        return await Enqueue(request, _settings.RequestTimeout).Task.WaitAsync(cancellationToken);
    }

    /// <summary>From now on, messages are framed as the agreed version frames them.</summary>
    public void StartUpIsDone()
    {
        if (Version >= 5)
        {
            _reader.UseSegments();
        }

        _writer.StartUpIsDone(segments: Version >= 5);
    }

    public async ValueTask DisposeAsync()
    {
        Close(new CqlConnectionException($"The connection to {Endpoint} was closed by this client."));
        await _loops;
        _reader.Dispose();
        _writer.Dispose();
        _queued.Dispose();
        _sending.Dispose();
        _closing.Dispose();

        // Not the semaphores: whoever is just about to hear that its wait for a slot was cancelled would wait for ever
        // on one that is disposed.
    }

    private async ValueTask TakeSlot(CancellationToken cancellationToken)
    {
        if (_slots.Wait(0, CancellationToken.None))
        {
            return;
        }

        try
        {
            using var either = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, _closing.Token);
            await _slots.WaitAsync(either.Token);
        }
        catch (Exception ended) when (ended is OperationCanceledException or ObjectDisposedException && !cancellationToken.IsCancellationRequested)
        {
            throw await LostAsync();
        }
    }

    private async Task<CqlConnectionException> LostAsync()
    {
        var reason = await Closed;
        return new CqlConnectionException($"The connection to {Endpoint} was lost: {reason.Message}", reason);
    }

    private PendingRequest Enqueue(CqlRequest request, TimeSpan timeout)
    {
        var pending = new PendingRequest(_time.GetTimestamp() + (long)(timeout.TotalSeconds * _time.TimestampFrequency), request.Name);
        lock (_gate)
        {
            if (_isClosed)
            {
                pending.TrySetException(new CqlConnectionException($"The connection to {Endpoint} is closed."));
                return pending;
            }

            _writer.Write(_queued, _streams.Take(pending), request);
            Signal();
        }

        return pending;
    }

    private void Signal()
    {
        if (!_isSignalled)
        {
            _isSignalled = true;
            _toSend.Release();
        }
    }

    private async Task SendLoop()
    {
        try
        {
            while (true)
            {
                await _toSend.WaitAsync(_closing.Token);
                lock (_gate)
                {
                    _isSignalled = false;
                    (_queued, _sending) = (_sending, _queued);
                    _queued.Truncate(0);
                }

                await _stream.WriteAsync(_writer.Frame(_sending), _closing.Token);
            }
        }
        catch (Exception ended)
        {
            Close(ended);
        }
    }

    private async Task ReceiveLoop()
    {
        var buffer = new byte[ReceiveBuffer];
        var (start, end) = (0, 0);
        try
        {
            while (true)
            {
                var received = await _stream.ReadAsync(buffer.AsMemory(end), _closing.Token);
                if (received == 0)
                {
                    Close(new CqlConnectionException($"{Endpoint} has closed it."));
                    return;
                }

                Volatile.Write(ref _lastReceived, _time.GetTimestamp());
                end += received;
                for (int used; start < end && (used = _reader.Read(buffer.AsSpan(start, end - start), _onEnvelope)) > 0;)
                {
                    start += used;
                }

                if (start == end)
                {
                    (start, end) = (0, 0);
                }
                else if (end == buffer.Length)
                {
                    if (start == 0)
                    {
                        Array.Resize(ref buffer, buffer.Length * 2);
                    }
                    else
                    {
                        buffer.AsSpan(start..end).CopyTo(buffer);
                        (start, end) = (0, end - start);
                    }
                }
            }
        }
        catch (Exception ended)
        {
            Close(ended);
        }
    }

    private void OnEnvelope(EnvelopeHeader header, ReadOnlySpan<byte> body)
    {
        if (header.Stream < 0)
        {
            if (header.Opcode == Opcode.Event && CqlEvent.Read(body) is { } pushed)
            {
                OnEvent?.Invoke(pushed);
            }

            return;
        }

        PendingRequest? pending;
        lock (_gate)
        {
            pending = _streams.Return(header.Stream);
        }

        if (pending is null)
        {
            throw new CqlProtocolException($"{Endpoint} answers on stream {header.Stream}, on which nothing was asked.");
        }

        _slots.Release();
        if (header.Opcode is Opcode.Ready or Opcode.Authenticate && pending.Name == StartUp.Name)
        {
            // The answer to STARTUP is the last message that is framed as before.
            StartUpIsDone();
        }

        try
        {
            pending.Complete(header, body, Endpoint.ToString());
        }
        catch (Exception malformed)
        {
            pending.TrySetException(malformed as CqlException
                ?? new CqlProtocolException($"An answer of {Endpoint} to {pending.Name} cannot be read: {malformed.Message}"));
        }
    }

    // Deadlines of requests, and the heartbeat: a connection on which nothing came for a while is asked.
    private async Task WatchLoop()
    {
        using var timer = new PeriodicTimer(_tick, _time);
        Task<CqlResponse>? heartbeat = null;
        try
        {
            while (await timer.WaitForNextTickAsync(_closing.Token))
            {
                List<PendingRequest> expired;
                lock (_gate)
                {
                    expired = _streams.Expire(_time.GetTimestamp());
                }

                foreach (var request in expired)
                {
                    request.TrySetException(new CqlTimeoutException(
                        $"{Endpoint} did not answer {request.Name} within {_settings.RequestTimeout.TotalSeconds} s."));
                }

                if (_streams.Abandoned > _settings.MaxInFlight / 2)
                {
                    Close(new CqlTimeoutException($"{Endpoint} owes {_streams.Abandoned} answers."));
                    return;
                }

                if (heartbeat is { IsFaulted: true })
                {
                    Close(new CqlTimeoutException($"{Endpoint} does not answer the heartbeat."));
                    return;
                }

                if (heartbeat is null or { IsCompleted: true }
                    && _time.GetElapsedTime(Volatile.Read(ref _lastReceived)) >= _settings.HeartbeatInterval
                    && _slots.Wait(0, CancellationToken.None))
                {
                    heartbeat = Enqueue(StartUp.Options, _settings.HeartbeatInterval).Task;
                }
            }
        }
        catch (Exception ended)
        {
            Close(ended);
        }
    }

    private void Close(Exception reason)
    {
        List<PendingRequest> lost;
        lock (_gate)
        {
            if (_isClosed)
            {
                return;
            }

            _isClosed = true;
            lost = _streams.ReturnAll();
        }

        _closed.TrySetResult(reason);
        _closing.Cancel();
        _stream.Dispose();
        foreach (var pending in lost)
        {
            pending.TrySetException(new CqlConnectionException(
                $"The connection to {Endpoint} was lost during {pending.Name}: {reason.Message}", reason));
        }
    }
}
