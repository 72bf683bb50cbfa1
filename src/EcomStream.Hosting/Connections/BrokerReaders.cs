using EcomStream.Core;
using EcomStream.PubSub;
using Microsoft.Extensions.Logging;

namespace EcomStream.Hosting;

/// <summary>
/// Looks whether another process reads a subscription. Only the embedded broker tells; on other servers the record in the
/// store decides alone.
/// </summary>
internal static partial class BrokerReaders
{
    private static readonly TimeSpan _poll = TimeSpan.FromMilliseconds(250);

    // A client sends a keep-alive on each stream every 30 s. One whose machine or network has vanished sends none, and the
    // broker closes its connection within 50 s.
    private static readonly TimeSpan _patience = TimeSpan.FromSeconds(60);

    /// <summary>Waits while streams are open on which nothing is sent: their client may have vanished.</summary>
    /// <exception cref="SubscriptionTakenException">Another process reads one.</exception>
    public static async Task RequireNoneAsync(
        PubSubConnection connection, IReadOnlyList<string> subscriptions, ILogger logger, TimeProvider time, CancellationToken cancellationToken)
    {
        foreach (var subscription in subscriptions)
        {
            await RequireNoneAsync(connection, subscription, logger, time, cancellationToken);
        }
    }

    private static async Task RequireNoneAsync(
        PubSubConnection connection, string subscription, ILogger logger, TimeProvider time, CancellationToken cancellationToken)
    {
        var (admin, path) = (new PubSubAdmin(connection), connection.Settings.SubscriptionName(subscription));
        var began = time.GetTimestamp();
        var (_, before) = await admin.GetReadersAsync(subscription, cancellationToken);
        for (var wasLogged = false; await admin.GetReadersAsync(subscription, cancellationToken) is (> 0, var requests); before = requests)
        {
            if (requests > before || time.GetElapsedTime(began) > _patience)
            {
                throw new SubscriptionTakenException(path, "another process, which has streams open on the broker,");
            }

            if (!wasLogged && time.GetElapsedTime(began) > 4 * _poll)
            {
                wasLogged = true;
                LogWaiting(logger, path, _patience.TotalSeconds);
            }

            await Task.Delay(_poll, time, cancellationToken);
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "Streams of another process are open on {Subscription}. This process waits until that one is seen to run or its streams are closed, {Seconds} s at most")]
    private static partial void LogWaiting(ILogger logger, string subscription, double seconds);
}
