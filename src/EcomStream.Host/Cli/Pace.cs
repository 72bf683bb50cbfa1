namespace EcomStream.Host.Cli;

/// <summary>Limits how many items per second are handled.</summary>
/// <param name="rate">Items per second; 0 for no limit.</param>
/// <param name="time">The clock.</param>
internal sealed class Pace(double rate, TimeProvider time)
{
    private const int LargestBatch = 200;
    private const double BatchesPerSecond = 10;

    private readonly long _start = time.GetTimestamp();
    private long _items;

    /// <summary>Items to handle at once.</summary>
    public int BatchSize => rate > 0 ? (int)Math.Clamp(rate / BatchesPerSecond, 1, LargestBatch) : LargestBatch;

    /// <summary>Waits until the next items are due.</summary>
    public async Task WaitAsync(int items, CancellationToken stop)
    {
        if (rate > 0)
        {
            var ahead = TimeSpan.FromSeconds(_items / rate) - time.GetElapsedTime(_start);
            if (ahead > TimeSpan.Zero)
            {
                await Task.Delay(ahead, time, stop);
            }
        }

        _items += items;
    }
}
