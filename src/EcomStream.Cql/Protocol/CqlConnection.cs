using System.Net;
using System.Net.Sockets;

namespace EcomStream.Cql.Protocol;

/// <summary>
/// One connection to one node. Requests are pipelined: up to <see cref="CqlSettings.MaxInFlight"/> are under
/// way at once, told apart by their stream ids, and what is sent while a write is under way goes out together with
/// the next one. It owns the socket; once closed, for whatever reason, it stays closed, and everything under way fails.
/// </summary>
internal sealed class CqlConnection : IAsyncDisposable
{
    private const int ReceiveBuffer = 1 << 16;

    // Who waits for room is woken when one in so many is free.
    private const int RoomFraction = 4;
    private static readonly TimeSpan _tick = TimeSpan.FromMilliseconds(100);

    private readonly Lock _gate = new();
    private readonly CqlSettings _settings;
    private readonly TimeProvider _time;
    private readonly string _name;
    private readonly Stream _stream;
    private readonly EnvelopeReader _reader;
    private readonly EnvelopeWriter _writer;
    private readonly StreamIds _streams;
    private Queue<PendingRequest> _waiting = new();
    private readonly SemaphoreSlim _toSend = new(0, 1);
    private readonly CancellationTokenSource _closing = new();
    private readonly TaskCompletionSource<Exception> _closed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly EnvelopeReader.Handler _onEnvelope;
    private readonly Task _loops;
    private ByteWriter _queued = new(1 << 16);
    private ByteWriter _sending = new(1 << 16);
    private bool _isSignalled;
    private TaskCompletionSource? _room;
    private Exception? _closedBy;
    private long _lastReceived;
    private volatile bool _isSilent;

    public CqlConnection(Stream stream, IPEndPoint endpoint, byte version, CqlSettings settings, TimeProvider time)
    {
        (_stream, Endpoint, Version, _settings, _time) = (stream, endpoint, version, settings, time);
        _name = endpoint.ToString();
        _reader = new EnvelopeReader(settings.Compression);
        _writer = new EnvelopeWriter(version, settings.Compression);
        _streams = new StreamIds(settings.MaxInFlight);
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
    public int InFlight => _settings.MaxInFlight - _streams.Free;

    /// <summary>Whether the node has sent nothing for <see cref="CqlSettings.SilentNodeDelay"/> although requests are under way.</summary>
    public bool IsSilent => _isSilent;

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
    /// <param name="request">The request.</param>
    /// <param name="cancellationToken">Stops waiting for the answer.</param>
    /// <param name="deadline">When to give up, in the ticks of the clock; 0 for the request timeout from now.</param>
    public async Task<CqlResponse> SendAsync(CqlRequest request, CancellationToken cancellationToken, long deadline = 0)
    {
        var pending = new AwaitedRequest(request) { Deadline = deadline };
        Send(pending);
        return await pending.Answer.WaitAsync(cancellationToken);
    }

    /// <summary>
    /// Sends a request, or tells it that the connection is closed. When as many are under way as may be, it is sent as soon as
    /// one of those before it is answered.
    /// </summary>
    /// <returns>Whether there is room for more; who sends many awaits <see cref="RoomAsync"/> where there is none.</returns>
    public bool Send(PendingRequest request)
    {
        Exception? closedBy;
        var now = _time.GetTimestamp();
        request.Began = now;
        if (request.Deadline == 0)
        {
            request.Deadline = now + (long)((request.Timeout ?? _settings.RequestTimeout).TotalSeconds * _time.TimestampFrequency);
        }

        lock (_gate)
        {
            closedBy = _closedBy;
            if (closedBy is null)
            {
                _waiting.Enqueue(request);
                SendWaiting();
                return _streams.Free > 0;
            }
        }

        request.Failed(Lost($"The connection to {Endpoint} was lost", closedBy));
        return true;
    }

    /// <summary>
    /// Completes when a good part of what was under way is answered, so that who waits sends many at once, or when the
    /// connection is closed.
    /// </summary>
    public Task RoomAsync(CancellationToken cancellationToken)
    {
        TaskCompletionSource room;
        lock (_gate)
        {
            if (_closedBy is not null || HasRoom)
            {
                return Task.CompletedTask;
            }

            room = _room ??= new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        }

        return room.Task.WaitAsync(cancellationToken);
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
    }

    // Nothing waits where an id is free.
    private bool HasRoom => _streams.Free >= Math.Max(1, _settings.MaxInFlight / RoomFraction);

    // Within the gate.
    private void SendWaiting()
    {
        while (_streams.Free > 0 && _waiting.TryDequeue(out var request))
        {
            _writer.Write(_queued, _streams.Take(request), request.Request);
            Signal();
        }
    }

    private static CqlConnectionException Lost(string what, Exception reason) => new($"{what}: {reason.Message}", reason);

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
        TaskCompletionSource? room = null;
        lock (_gate)
        {
            pending = _streams.Return(header.Stream);
            SendWaiting();
            if (_room is not null && HasRoom)
            {
                (room, _room) = (_room, null);
            }
        }

        room?.SetResult();
        if (pending is null)
        {
            throw new CqlProtocolException($"{Endpoint} answers on stream {header.Stream}, on which nothing was asked.");
        }

        if (header.Opcode is Opcode.Ready or Opcode.Authenticate && pending.Request.Name == StartUp.Name)
        {
            // The answer to STARTUP is the last message that is framed as before.
            StartUpIsDone();
        }

        if (!pending.IsAbandoned)
        {
            pending.Complete(header, body, _name);
        }
    }

    // Deadlines of requests, and the heartbeat: a connection on which nothing came for a while is asked.
    private async Task WatchLoop()
    {
        using var timer = new PeriodicTimer(_tick, _time);
        AwaitedRequest? heartbeat = null;
        try
        {
            while (await timer.WaitForNextTickAsync(_closing.Token))
            {
                List<PendingRequest> expired;
                List<PendingRequest> silent;
                lock (_gate)
                {
                    var now = _time.GetTimestamp();
                    expired = _streams.Expire(now);
                    ExpireWaiting(now, expired);
                    silent = Silent(now);
                }

                foreach (var request in silent)
                {
                    request.NodeIsSilent();
                }

                foreach (var request in expired)
                {
                    request.Failed(new CqlTimeoutException(
                        $"{Endpoint} did not answer {request.Request.Name} within {_time.GetElapsedTime(request.Began, request.Deadline).TotalSeconds:0.###} s."));
                }

                if (_streams.Abandoned > _settings.MaxInFlight / 2)
                {
                    Close(new CqlTimeoutException($"{Endpoint} owes {_streams.Abandoned} answers."));
                    return;
                }

                if (heartbeat is { Answer.IsFaulted: true })
                {
                    Close(new CqlTimeoutException($"{Endpoint} does not answer the heartbeat."));
                    return;
                }

                if (heartbeat is null or { Answer.IsCompleted: true }
                    && _time.GetElapsedTime(Volatile.Read(ref _lastReceived)) >= _settings.HeartbeatInterval
                    && InFlight < _settings.MaxInFlight)
                {
                    heartbeat = new AwaitedRequest(StartUp.Options) { Timeout = _settings.HeartbeatInterval };
                    Send(heartbeat);
                }
            }
        }
        catch (Exception ended)
        {
            Close(ended);
        }
    }

    // Those that were not sent yet: the caller's time is over as well. Within the gate.
    private void ExpireWaiting(long now, List<PendingRequest> expired)
    {
        if (_waiting.All(request => request.Deadline > now))
        {
            return;
        }

        expired.AddRange(_waiting.Where(request => request.Deadline <= now));
        _waiting = new Queue<PendingRequest>(_waiting.Where(request => request.Deadline > now));
    }

    // Sets whether the node is silent, and returns the requests that are to be told of it. Within the gate.
    private List<PendingRequest> Silent(long now)
    {
        if (_settings.SilentNodeDelay <= TimeSpan.Zero || _time.GetElapsedTime(Volatile.Read(ref _lastReceived), now) < _settings.SilentNodeDelay)
        {
            _isSilent = false;
            return [];
        }

        var since = now - (long)(_settings.SilentNodeDelay.TotalSeconds * _time.TimestampFrequency);
        var late = _streams.Since(since).ToList();
        _isSilent = late.Count > 0 || (_isSilent && _streams.Free < _settings.MaxInFlight);
        if (!_isSilent)
        {
            return [];
        }

        List<PendingRequest> told = [.. late.Concat(_waiting).Where(request => !request.IsToldOfSilence)];
        told.ForEach(request => request.IsToldOfSilence = true);
        return told;
    }

    private void Close(Exception reason)
    {
        List<PendingRequest> lost;
        TaskCompletionSource? room;
        lock (_gate)
        {
            if (_closedBy is not null)
            {
                return;
            }

            _closedBy = reason;
            lost = [.. _streams.ReturnAll(), .. _waiting];
            _waiting.Clear();
            (room, _room) = (_room, null);
        }

        _closed.TrySetResult(reason);
        _closing.Cancel();
        _stream.Dispose();
        room?.SetResult();
        foreach (var pending in lost)
        {
            pending.Failed(Lost($"The connection to {Endpoint} was lost during {pending.Request.Name}", reason));
        }
    }
}
