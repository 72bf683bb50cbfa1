namespace EcomStream.Actors;

/// <summary>Exponential backoff: <paramref name="Min"/>, then twice as long each time, up to <paramref name="Max"/>.</summary>
/// <param name="Min">The first delay.</param>
/// <param name="Max">The longest delay.</param>
public sealed record Backoff(TimeSpan Min, TimeSpan Max)
{
    /// <summary>The delay before another try.</summary>
    /// <param name="failures">How often it has failed in a row; 1 after the first failure.</param>
    public TimeSpan After(int failures)
    {
        var doublings = Math.Clamp(failures - 1, 0, 30);
        var ticks = Min.Ticks * Math.Pow(2, doublings);
        return ticks >= Max.Ticks ? Max : TimeSpan.FromTicks((long)ticks);
    }
}
