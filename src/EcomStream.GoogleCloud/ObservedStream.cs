extern alias official;

using EcomStream.PubSub;
using Grpc.Core;
using official::Google.Cloud.PubSub.V1;

namespace EcomStream.GoogleCloud;

/// <summary>
/// A stream as the client sees it. The client stops a stream by cancelling its call: what the server has sent would come
/// again only when its lease ends, and Google's emulator would go on sending. Here the stream is closed instead, and what
/// still arrives is given back.
/// </summary>
internal sealed class ObservedStream : IClientStreamWriter<StreamingPullRequest>, IAsyncStreamReader<StreamingPullResponse>, IDisposable
{
    // Servers that do not close a stream that the client has closed are waited for as long without a message.
    private static readonly TimeSpan _drainSilence = TimeSpan.FromSeconds(2);

    private readonly StreamObserver _observer;
    private readonly SubscriptionCalls _calls;
    private readonly AsyncDuplexStreamingCall<StreamingPullRequest, StreamingPullResponse> _call;
    private readonly TaskCompletionSource<bool> _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private readonly CancellationTokenRegistration _stopping;
    private readonly Lock _lock = new();
    private TaskCompletionSource _pong = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private bool _serverAnswers;
    private Task<bool>? _next;
    private StreamingPullResponse? _current;
    private bool _isTaken;
    private int _isWaiting;
    private int _isCompleted;
    private bool _isStarted;

    public ObservedStream(
        StreamObserver observer,
        SubscriptionCalls calls,
        AsyncDuplexStreamingCall<StreamingPullRequest, StreamingPullResponse> call,
        CancellationToken stopped)
    {
        (_observer, _calls, _call) = (observer, calls, call);
        _serverAnswers = calls.Settings.EmulatorHost.Length == 0;
        _stopping = stopped.Register(Stop);
    }

    /// <summary>Whether the client waits for the next response.</summary>
    public bool IsWaiting => Volatile.Read(ref _isWaiting) != 0;

    public WriteOptions? WriteOptions
    {
        get => _call.RequestStream.WriteOptions;
        set => _call.RequestStream.WriteOptions = value;
    }

    // The client reads it when it takes the response; a response that it leaves, when it restarts the stream, is lost with
    // the stream.
    public StreamingPullResponse Current
    {
        get
        {
            var current = _current ?? throw new InvalidOperationException("No response was received.");
            if (!_isTaken)
            {
                _isTaken = true;
                _observer.Received(current);
            }

            return current;
        }
    }

    public async Task WriteAsync(StreamingPullRequest message)
    {
        var isInitial = !_isStarted;
        if (isInitial)
        {
            _isStarted = true;
            _observer.Share(message);
        }

        await _call.RequestStream.WriteAsync(message).ConfigureAwait(false);
        if (isInitial)
        {
            _observer.Opened(this);
        }
        else if (!Volatile.Read(ref _serverAnswers))
        {
            // Google's emulator does not answer keep-alives. The client would restart the stream every 45 s, and nothing
            // would be known of what the emulator holds for the streams before.
            lock (_lock)
            {
                _pong.TrySetResult();
            }
        }
    }

    public Task CompleteAsync() => Interlocked.Exchange(ref _isCompleted, 1) == 0 ? _call.RequestStream.CompleteAsync() : Task.CompletedTask;

    public async Task<bool> MoveNext(CancellationToken cancellationToken)
    {
        var isOpen = false;
        Volatile.Write(ref _isWaiting, 1);
        try
        {
            Task<bool> next;
            Task pong;
            lock (_lock)
            {
                ThrowIfStopped();

                // After an answered keep-alive the read is still under way.
                next = _next ??= NextAsync();
                pong = _pong.Task;
            }

            await Task.WhenAny(next, _stopped.Task, pong).ConfigureAwait(false);
            lock (_lock)
            {
                // What arrived in the same moment is given back.
                ThrowIfStopped();
                if (!next.IsCompleted)
                {
                    _pong = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                    (_current, _isTaken, isOpen) = (new StreamingPullResponse(), true, true);
                    return true;
                }

                _next = null;
            }

            isOpen = await next.ConfigureAwait(false);
            (_current, _isTaken) = (isOpen ? _call.ResponseStream.Current : null, false);
            if (_current is { ReceivedMessages.Count: 0 })
            {
                Volatile.Write(ref _serverAnswers, true);
            }

            return isOpen;
        }
        finally
        {
            Volatile.Write(ref _isWaiting, 0);
            if (!isOpen)
            {
                _observer.Closed(this);
            }
        }
    }

    public void Dispose()
    {
        _observer.Closed(this);
        _stopping.Dispose();
        if (!_stopped.Task.IsCompleted)
        {
            _call.Dispose();
        }
    }

    // The client may leave a stream that it has stopped without disposing it.
    private void Stop()
    {
        Task<bool> next;
        lock (_lock)
        {
            if (!_stopped.TrySetResult(false))
            {
                return;
            }

            next = _next ?? NextAsync();
        }

        _observer.Closed(this);
        _observer.Ending(EndAsync(next));
    }

    private void ThrowIfStopped()
    {
        if (_stopped.Task.IsCompleted)
        {
            throw new RpcException(new Status(StatusCode.Cancelled, "The reading was stopped."));
        }
    }

    // An error is that of the task, also where it is thrown at once.
    private async Task<bool> NextAsync() => await _call.ResponseStream.MoveNext(CancellationToken.None).ConfigureAwait(false);

    private async Task EndAsync(Task<bool> next)
    {
        var isClean = false;
        try
        {
            await CompleteAsync().ConfigureAwait(false);
            for (; await next.WaitAsync(_drainSilence, _calls.Time).ConfigureAwait(false); next = NextAsync())
            {
                if (_call.ResponseStream.Current.ReceivedMessages is { Count: > 0 } messages)
                {
                    await _calls.GiveBackAsync([.. messages.Select(message => message.AckId)], CancellationToken.None).ConfigureAwait(false);
                    _observer.GivenBack.GaveBackUnseen();
                }
            }

            // The client may have left the last response that it was given.
            isClean = _isTaken || _current is not { ReceivedMessages.Count: > 0 };
        }
        catch (Exception ended) when (ended is RpcException or TimeoutException or InvalidOperationException or ObjectDisposedException)
        {
            // The server or the connection has ended it, or it is silent.
        }
        finally
        {
            _observer.GivenBack.StreamEnded(isClean);
            _call.Dispose();
        }
    }
}
