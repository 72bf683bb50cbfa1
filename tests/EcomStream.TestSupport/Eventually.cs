using System.Diagnostics;

namespace EcomStream.TestSupport;

/// <summary>Waits for a condition with a deadline, instead of sleeping and hoping.</summary>
public static class Eventually
{
    private static readonly TimeSpan Poll = TimeSpan.FromMilliseconds(10);

    /// <summary>Completes when the condition holds; fails with <paramref name="what"/> when it does not within the deadline.</summary>
    public static async Task True(Func<bool> condition, string what, TimeSpan? within = null)
    {
        var deadline = within ?? TimeSpan.FromSeconds(20);
        var clock = Stopwatch.StartNew();
        while (!condition())
        {
            if (clock.Elapsed > deadline)
            {
                Assert.Fail($"Not within {deadline.TotalSeconds:0.#} s: {what}");
            }

            await Task.Delay(Poll);
        }
    }

    /// <summary>Waits until an asynchronous condition holds.</summary>
    public static async Task True(Func<Task<bool>> condition, string what, TimeSpan? within = null)
    {
        var limit = within ?? TimeSpan.FromSeconds(20);
        var clock = System.Diagnostics.Stopwatch.StartNew();
        while (!await condition())
        {
            clock.Elapsed.ShouldBeLessThan(limit, $"Not within {limit.TotalSeconds} s: {what}");
            await Task.Delay(100);
        }
    }
}
