namespace EcomStream.Cassandra.Cluster;

/// <summary>Writes that are awaited together. Thread-safe.</summary>
internal sealed class WriteGroup
{
    private readonly TaskCompletionSource _ended = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Exception? _failure;

    // And one for whoever begins them.
    private int _left = 1;

    /// <summary>A write has begun.</summary>
    public void Began() => Interlocked.Increment(ref _left);

    /// <summary>A write has ended.</summary>
    /// <param name="failure">Why it failed; null when it did not.</param>
    public void Ended(Exception? failure)
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

    /// <summary>Completes when all have ended, with the first failure if there was one. No other begins after it.</summary>
    public Task EndedAsync()
    {
        Ended(null);
        return _ended.Task;
    }
}
