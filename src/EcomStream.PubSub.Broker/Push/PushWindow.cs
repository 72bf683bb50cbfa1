namespace EcomStream.PubSub.Broker.Push;

/// <summary>
/// How many requests of a subscription may be under way, and how long to wait after failures. The window begins small, grows
/// by one with each success, which doubles it per round trip, and is halved by a failure. While deliveries fail and the
/// subscription has no retry policy of its own, all wait (https://cloud.google.com/pubsub/docs/push#push_backoff).
/// </summary>
internal sealed class PushWindow
{
    public const int Largest = 1_000;

    private const int First = 4;
    private static readonly TimeSpan _shortestBackoff = TimeSpan.FromMilliseconds(100);
    private static readonly TimeSpan _longestBackoff = TimeSpan.FromSeconds(60);

    private readonly Lock _lock = new();
    private int _size = First;
    private int _failures;
    private bool _hasFailed;

    public int Size
    {
        get
        {
            lock (_lock)
            {
                return _size;
            }
        }
    }

    /// <summary>How long to wait before anything more is pushed; zero unless something has failed since the last call.</summary>
    public TimeSpan TakeBackoff()
    {
        lock (_lock)
        {
            if (!_hasFailed)
            {
                return TimeSpan.Zero;
            }

            _hasFailed = false;
            return TimeSpan.FromTicks(Math.Min(_longestBackoff.Ticks, _shortestBackoff.Ticks << Math.Min(_failures - 1, 20)));
        }
    }

    public void Succeeded()
    {
        lock (_lock)
        {
            _failures = 0;
            _hasFailed = false;
            _size = Math.Min(Largest, _size + 1);
        }
    }

    public void Failed()
    {
        lock (_lock)
        {
            _size = Math.Max(1, _size / 2);

            // What fails at the same time has failed once.
            _failures += _hasFailed ? 0 : 1;
            _hasFailed = true;
        }
    }
}
