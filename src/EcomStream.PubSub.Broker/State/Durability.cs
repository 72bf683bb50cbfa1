using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Delivery;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.State;

/// <summary>
/// Syncs what was written as the fsync policy asks: at an interval, or before an answer, many answers with one sync.
/// </summary>
internal sealed class Durability : IAsyncDisposable
{
    private readonly BrokerState _state;
    private readonly EmbeddedBrokerOptions _options;
    private readonly ILogger _logger;
    private readonly CancellationTokenSource _stop = new();
    private readonly AsyncSignal _wanted = new();
    private readonly Task _loop;
    private TaskCompletionSource _nextSync = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public Durability(BrokerState state, EmbeddedBrokerOptions options, ILogger logger)
    {
        _logger = logger;
        _state = state;
        _options = options;
        _loop = options.Fsync == FsyncPolicy.Never ? Task.CompletedTask : Task.Run(Loop);
    }

    /// <summary>Refuses to write once a sync has failed (<see cref="Storage.BrokerFiles"/>). Opened again, the broker finds out what is there.</summary>
    /// <exception cref="RpcException">RESOURCE_EXHAUSTED.</exception>
    public void Check()
    {
        if (_state.SyncFailure is { } failure)
        {
            throw ServiceCalls.CannotWrite(failure);
        }
    }

    /// <summary>Something was written without a caller that waits for it: it is synced as the policy requires.</summary>
    public void Written()
    {
        if (_options.Fsync == FsyncPolicy.Always)
        {
            _wanted.Set();
        }
    }

    /// <summary>Completes when what was written before the call is as durable as the policy promises.</summary>
    public Task WrittenAsync()
    {
        if (_options.Fsync != FsyncPolicy.Always)
        {
            return Task.CompletedTask;
        }

        var next = Volatile.Read(ref _nextSync).Task;
        _wanted.Set();
        return next;
    }

    /// <summary>As <see cref="WrittenAsync"/>, for a caller that cannot wait otherwise: syncs on its own thread.</summary>
    /// <exception cref="IOException">The disk is broken.</exception>
    public void SyncIfAlways()
    {
        if (_options.Fsync == FsyncPolicy.Always)
        {
            _state.Sync();
        }
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loop;
        _stop.Dispose();
    }

    private async Task Loop()
    {
        while (!_stop.IsCancellationRequested)
        {
            try
            {
                if (_options.Fsync == FsyncPolicy.Always)
                {
                    await _wanted.WaitAsync(_stop.Token);
                }
                else
                {
                    await Task.Delay(_options.FsyncInterval, _options.Time, _stop.Token);
                }
            }
            catch (OperationCanceledException)
            {
                break;
            }

            // Callers from here on wait for the next sync, because this one may not include what they wrote.
            var waiting = Interlocked.Exchange(ref _nextSync, new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously));
            try
            {
                Check();
                _state.Sync();
                waiting.SetResult();
            }
            catch (RpcException broken)
            {
                Fail(waiting, broken);
            }
            catch (Exception error)
            {
                _logger.LogError(error, "The broker's files in {Folder} could not be synced: nothing more is written until it is started again", _options.DataDirectory);
                Fail(waiting, ServiceCalls.CannotWrite(_state.SyncFailure ?? new IOException(error.Message, error)));
            }
        }
    }

    // There may be no waiter, so the exception is observed here.
    private static void Fail(TaskCompletionSource waiting, RpcException error)
    {
        waiting.SetException(error);
        _ = waiting.Task.Exception;
    }
}
