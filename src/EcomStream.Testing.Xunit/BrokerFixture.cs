using EcomStream.PubSub.Broker;
using Xunit;

namespace EcomStream.Testing.Xunit;

/// <summary>
/// A broker in memory for the tests of a class (<see cref="IClassFixture{TFixture}"/>) or of a collection
/// (<see cref="ICollectionFixture{TFixture}"/>). It starts before the first test and stops after the last one.
/// </summary>
/// <remarks>
/// Tests that share a broker do not disturb each other when each works in a project of its own (<see cref="NewProject"/>).
/// Derive from the fixture to change <see cref="Options"/>.
/// </remarks>
public class BrokerFixture : IAsyncLifetime
{
    private EmbeddedBroker? _broker;

    /// <summary>The broker.</summary>
    /// <exception cref="InvalidOperationException">xunit has not started the fixture yet.</exception>
    public EmbeddedBroker Broker => _broker ?? throw new InvalidOperationException("The broker runs while tests of its class or collection do.");

    /// <summary>The value of PUBSUB_EMULATOR_HOST for clients under test: host:port.</summary>
    public string Endpoint => Broker.Endpoint;

    /// <summary>How the broker runs; it keeps nothing on the disk whatever this says.</summary>
    protected virtual EmbeddedBrokerOptions Options => new();

    /// <summary>The id of a project that no other test has, such as "test-4f1c…".</summary>
    public static string NewProject() => $"test-{Guid.NewGuid():n}";

    /// <summary>Starts the broker; xunit calls it.</summary>
    /// <exception cref="BrokerStartException">The port is taken, or the seed file cannot be used.</exception>
    public virtual async Task InitializeAsync() => _broker = await EmbeddedBroker.StartAsync(Options with { InMemory = true });

    /// <summary>Stops the broker; xunit calls it.</summary>
    public virtual async Task DisposeAsync()
    {
        if (_broker is { } broker)
        {
            _broker = null;
            await broker.DisposeAsync();
        }
    }
}
