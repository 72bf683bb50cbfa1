using Akka.Configuration;

namespace EcomStream.Actors.Tests;

/// <summary>The configuration of test kits: what is expected may take longer than the 3 s of Akka, because the machine may be busy.</summary>
internal static class TestConfiguration
{
    public static Config Reference { get; } = ConfigurationFactory
        .ParseString("akka.test { single-expect-default = 20s, default-timeout = 20s }")
        .WithFallback(EcomStreamSettings.Reference);
}
