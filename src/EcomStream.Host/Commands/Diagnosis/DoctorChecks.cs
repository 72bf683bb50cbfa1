using System.Net;
using EcomStream.Host.Cli;
using EcomStream.PubSub;

namespace EcomStream.Host.Commands.Diagnosis;

/// <summary>The checks of <c>ecomstream doctor</c>.</summary>
internal sealed class DoctorChecks(HostSettings settings, CommandContext context)
{
    private static readonly TimeSpan MostSkew = TimeSpan.FromSeconds(5);

    /// <summary>Whether the store opens with the schema and permissions that it needs.</summary>
    public async Task<DoctorFinding> StoreAsync(CancellationToken stop)
    {
        if (settings.StoreKind == StoreKind.Sqlite && !File.Exists(settings.StorePath))
        {
            return new DoctorFinding($"{settings.StorePath} does not exist yet; the first run creates it");
        }

        if (settings.StoreKind == StoreKind.Cassandra && await Clients.Admin(settings.CassandraClient, settings.Cassandra).CheckAsync(stop) is { Count: > 0 } differences)
        {
            return new DoctorFinding($"{string.Join("; ", differences)}: 'ecomstream schema apply' creates what is missing", IsProblem: true);
        }

        await using var store = Stores.Create(settings);
        await store.InitializeAsync(stop);
        return new DoctorFinding($"{Stores.Describe(settings)} is open, with the schema that EcomStream needs");
    }

    /// <summary>Whether Pub/Sub answers, and has the topics, subscriptions and permissions.</summary>
    public async Task<DoctorFinding> PubSubAsync(CancellationToken stop)
    {
        await using var pubSub = await PubSubAccess.OpenAsync(settings, stop);
        var (differences, notChecked) = await new PubSubSetup(pubSub.Connection).CheckAsync(settings.Subscriptions, stop);
        var left = notChecked.Count > 0 ? $" (not checked: {string.Join("; ", notChecked)})" : "";
        return differences.Count == 0
            ? new DoctorFinding($"{pubSub.Connection.Settings.Endpoint} has all topics and subscriptions{left}")
            : settings.CreateMissing && differences.All(difference => difference.EndsWith("is missing", StringComparison.Ordinal))
                ? new DoctorFinding($"{pubSub.Connection.Settings.Endpoint} lacks {differences.Count} topics and subscriptions; the first run creates them")
                : new DoctorFinding($"{string.Join("; ", differences)}: 'ecomstream topics create' creates what is missing{left}", IsProblem: true);
    }

    /// <summary>Whether this machine's clock agrees with that of the Pub/Sub server, as far as its Date header tells.</summary>
    public async Task<DoctorFinding> ClockAsync(CancellationToken stop)
    {
        await using var pubSub = await PubSubAccess.OpenAsync(settings, stop);
        var hasTls = pubSub.Connection.Settings.EmulatorHost.Length == 0;
        using var client = new HttpClient { DefaultRequestVersion = HttpVersion.Version20, DefaultVersionPolicy = HttpVersionPolicy.RequestVersionExact };
        using var answer = await client.GetAsync(
            new Uri($"{(hasTls ? "https" : "http")}://{pubSub.Connection.Settings.Endpoint}/"), HttpCompletionOption.ResponseHeadersRead, stop);
        if (answer.Headers.Date is not { } date)
        {
            return new DoctorFinding($"{pubSub.Connection.Settings.Endpoint} does not say what time it has");
        }

        var skew = context.Time.GetUtcNow() - date;
        return skew.Duration() <= MostSkew
            ? new DoctorFinding($"agrees with {pubSub.Connection.Settings.Endpoint} to {MostSkew.TotalSeconds:0} s")
            : new DoctorFinding(
                $"differs from {pubSub.Connection.Settings.Endpoint} by {skew.Duration().TotalSeconds:0} s: synchronize both with NTP; grace periods and the order of messages follow publish times",
                IsProblem: true);
    }
}
