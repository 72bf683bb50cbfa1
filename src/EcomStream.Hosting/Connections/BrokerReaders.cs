using EcomStream.PubSub;

namespace EcomStream.Hosting;

/// <summary>
/// Looks whether another process reads a subscription. Only the embedded broker tells; on other servers the record in the
/// store decides alone.
/// </summary>
internal static class BrokerReaders
{
    // The streams of a process that has just ended close within moments.
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(5);
    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(250);

    /// <exception cref="SubscriptionTakenException">Another process still reads one after a few seconds.</exception>
    public static async Task RequireNoneAsync(
        PubSubConnection connection, IReadOnlyList<string> subscriptions, TimeProvider time, CancellationToken cancellationToken)
    {
        var admin = new PubSubAdmin(connection);
        var began = time.GetTimestamp();
        foreach (var subscription in subscriptions)
        {
            while (await admin.GetReadersAsync(subscription, cancellationToken) > 0)
            {
                if (time.GetElapsedTime(began) > _patience)
                {
                    throw new SubscriptionTakenException(connection.Settings.SubscriptionName(subscription), "another process, which has streams open on the broker,");
                }

                await Task.Delay(_poll, time, cancellationToken);
            }
        }
    }
}
