using System.Globalization;
using System.Net;
using Akka.Configuration;

namespace EcomStream.Hosting;

/// <summary>Settings of health checks, telemetry and the HTTP endpoint.</summary>
internal sealed record OperationsSettings
{
    /// <summary>Time between two checks of the store and the broker.</summary>
    public required TimeSpan CheckInterval { get; init; }

    /// <summary>A subscription with undelivered messages is stalled when nothing has been received for this long.</summary>
    public required TimeSpan StalledAfter { get; init; }

    /// <summary>Age of the oldest unacked message above which health is degraded.</summary>
    public required TimeSpan MaxBacklogAge { get; init; }

    /// <summary>Time for which the same thing may hold the watermark before health is degraded.</summary>
    public required TimeSpan MaxWatermarkHold { get; init; }

    /// <summary>Free space of the data folder's disk below which health fails, bytes.</summary>
    public required long MinFreeDisk { get; init; }

    /// <summary>Share of traces that are recorded, 0 to 1.</summary>
    public required double TraceRatio { get; init; }

    /// <summary>Where the HTTP endpoint listens, host:port; empty for nowhere.</summary>
    public required string HttpAddress { get; init; }

    /// <summary>Whether the dashboard may replay and discard dead letters.</summary>
    public required bool HttpActions { get; init; }

    /// <summary>What a client must present; required when the endpoint listens beyond loopback.</summary>
    public required string HttpToken { get; init; }

    /// <exception cref="ConfigurationException">A setting is wrong; the message names its path and what it must be.</exception>
    public static OperationsSettings Read(Config config)
    {
        var section = config.GetConfig("ecomstream");
        var reader = new SectionReader(section, "ecomstream");
        var (address, token) = (reader.Text("http.address"), reader.Text("http.token"));
        if (token.Any(c => c is < ' ' or > '~'))
        {
            throw new ConfigurationException("ecomstream.http.token: must consist of printable ASCII characters, because clients send it as a bearer token.");
        }

        if (address.Length > 0)
        {
            // Whether a token is needed depends on where this process listens, if it does.
            Endpoint(address);
        }

        return new OperationsSettings
        {
            CheckInterval = reader.Time("health.check-interval"),
            StalledAfter = reader.Time("health.stalled-after"),
            MaxBacklogAge = reader.Time("health.max-backlog-age"),
            MaxWatermarkHold = reader.Time("health.max-watermark-hold"),
            MinFreeDisk = reader.BytesOrZero("health.min-free-disk"),
            TraceRatio = double.TryParse(reader.Text("telemetry.trace-ratio"), NumberStyles.Float, CultureInfo.InvariantCulture, out var ratio) && ratio is >= 0 and <= 1
                ? ratio
                : throw reader.Wrong("telemetry.trace-ratio", "a number from 0 to 1"),
            HttpAddress = address,
            HttpActions = reader.Switch("http.actions"),
            HttpToken = token,
        };
    }

    /// <summary>Reads where the HTTP endpoint listens.</summary>
    /// <param name="text">An IP address or localhost, and a port.</param>
    /// <param name="token">What clients must present; empty for nothing.</param>
    /// <exception cref="ConfigurationException">The text has another form, or it is not a loopback address and there is no token.</exception>
    public static IPEndPoint ListenAddress(string text, string token)
    {
        var endpoint = Endpoint(text);
        return IPAddress.IsLoopback(endpoint.Address) || token.Length > 0
            ? endpoint
            : throw new ConfigurationException(
                $"ecomstream.http.address (--http) = {text} can be reached from other machines: set ecomstream.http.token (in the environment, ECOMSTREAM__HTTP__TOKEN), or listen on 127.0.0.1.");
    }

    private static IPEndPoint Endpoint(string text)
    {
        var name = text.StartsWith("localhost:", StringComparison.OrdinalIgnoreCase) ? "127.0.0.1" + text["localhost".Length..] : text;
        return name.LastIndexOf(':') > name.LastIndexOf(']') && IPEndPoint.TryParse(name, out var endpoint)
            ? endpoint
            : throw new ConfigurationException($"ecomstream.http.address (--http) = {text}: it must be an IP address and a port, such as 127.0.0.1:9090 or 0.0.0.0:9090.");
    }
}
