using EcomStream.PubSub;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.Hosting;

/// <summary>Makes the topics and subscriptions that are missing.</summary>
internal static class Setup
{
    /// <summary>Waits for the broker with backoff when it is not there.</summary>
    public static async Task CreateMissingAsync(
        HostSettings settings, PubSubConnection connection, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        if (!settings.CreateMissing)
        {
            return;
        }

        var logger = loggers.CreateLogger("EcomStream.Hosting.Setup");
        using var slow = new CancellationTokenSource(TimeSpan.FromSeconds(3));
        using var warning = slow.Token.Register(() => logger.LogWarning(
            "Pub/Sub at {Endpoint} does not answer; it is tried again until it does", connection.Settings.Endpoint));
        await new PubSubSetup(connection).CreateMissingAsync(settings.Subscriptions, dryRun: false, cancellationToken);
    }
}
