namespace EcomStream.PubSub.Broker.Calls;

/// <summary>The streams that are open, so that a broker that stops can end them before it closes their connections.</summary>
internal sealed class OpenStreams : IDisposable
{
    private readonly CancellationTokenSource _stopping = new();
    private readonly TaskCompletionSource _allEnded = new(TaskCreationOptions.RunContinuationsAsynchronously);

    // The broker itself is the one that is left, until it stops.
    private int _open = 1;

    /// <summary>Cancelled when the broker stops: whoever waits for messages ends its call.</summary>
    public CancellationToken Stopping => _stopping.Token;

    public void Opened() => Interlocked.Increment(ref _open);

    public void Ended()
    {
        if (Interlocked.Decrement(ref _open) == 0)
        {
            _allEnded.TrySetResult();
        }
    }

    /// <summary>Ends all streams and waits until they have ended.</summary>
    /// <returns>Whether there were any.</returns>
    /// <exception cref="TimeoutException">They did not end within <paramref name="patience"/>.</exception>
    public async Task<bool> EndAsync(TimeSpan patience)
    {
        var were = Volatile.Read(ref _open) > 1;
        await _stopping.CancelAsync();
        Ended();
        await _allEnded.Task.WaitAsync(patience);
        return were;
    }

    public void Dispose() => _stopping.Dispose();
}
