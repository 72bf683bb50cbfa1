using Akka.Configuration;

namespace EcomStream.PubSub.Tests;

internal static class TestSettings
{
    /// <summary>The defaults with quick retries, a project of the test's own, and what the test says.</summary>
    public static PubSubSettings Of(string endpoint, string project = "test", string hocon = "") => PubSubSettings.Read(
        ConfigurationFactory.ParseString(hocon).WithFallback(ConfigurationFactory.ParseString(
            $$"""
            ecomstream.pubsub {
              project-id = "{{project}}"
              retry { min-backoff = 20ms, max-backoff = 200ms }
            }
            """)),
        endpoint);
}
