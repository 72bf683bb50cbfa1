namespace EcomStream.Cassandra.Writing;

/// <summary>Writes that are awaited together. Thread-safe.</summary>
internal sealed class WriteGroup
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Exception? _failure;

    // The additional one is for the caller that begins them.
    private int _left = 1;

    public WriteGroup() => Ended = OnEnded;

    /// <summary>To be called when a write has ended, with the error if there was one.</summary>
    public Action<Exception?> Ended { get; }

    /// <summary>A write has begun.</summary>
    public void Began() => Interlocked.Increment(ref _left);

    /// <summary>Completes when all have ended, with the first failure if there was one. No other begins after it.</summary>
    public Task EndedAsync()
    {
        Ended(null);
        return _ended.Task;
    }

    private void OnEnded(Exception? failure)
    {
        if (failure is not null)
        {
            Interlocked.CompareExchange(ref _failure, failure, null);
        }

        if (Interlocked.Decrement(ref _left) > 0)
        {
            return;
        }

        if (_failure is { } first)
        {
            _ended.SetException(first);
        }
        else
        {
            _ended.SetResult();
        }
    }
}
