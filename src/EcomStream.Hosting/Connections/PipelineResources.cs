using EcomStream.Actors;
using EcomStream.Core;
using EcomStream.PubSub;
using EcomStream.PubSub.Broker;
using Microsoft.Extensions.Logging;

namespace EcomStream.Hosting;

/// <summary>What a pipeline uses: the embedded broker where there is one, the connection, the store and the ports over them.</summary>
internal sealed class PipelineResources : IAsyncDisposable
{
    private readonly HostSettings _settings;
    private MonitoredStore? _store;
    private IPublisher? _publisher;
    private EcomStreamPorts? _ports;
    private SubscriptionOwnership? _ownership;

    private PipelineResources(HostSettings settings) => _settings = settings;

    /// <summary>The embedded broker; null when Pub/Sub is another server.</summary>
    public EmbeddedBroker? Broker { get; private set; }

    /// <summary>The connection to Pub/Sub.</summary>
    public PubSubConnection? Connection { get; private set; }

    /// <summary>What the calls of the store have shown about it.</summary>
    public StoreCondition StoreCondition => _store?.Condition ?? default;

    /// <summary>Fails when another process has taken over the subscriptions; otherwise it does not complete.</summary>
    public Task OwnershipLost => _ownership?.Lost ?? Task.Delay(Timeout.Infinite, CancellationToken.None);

    /// <summary>What the pipeline reads from and writes to.</summary>
    public EcomStreamPorts Ports => _ports ?? throw new InvalidOperationException("The resources are not open.");

    /// <summary>The subscriptions that the pipeline reads.</summary>
    public IEnumerable<ISubscription> Subscriptions => Ports.DeadLetters is { } deadLetters ? [Ports.Orders, Ports.Payments, deadLetters] : [Ports.Orders, Ports.Payments];

    /// <summary>Opens everything, and creates missing topics and subscriptions. When it fails, nothing stays open.</summary>
    /// <exception cref="BrokerStartException">The embedded broker cannot start.</exception>
    /// <exception cref="PubSubCredentialsException">The credentials for Google Cloud are missing or wrong.</exception>
    /// <exception cref="StoreRejectedException">The settings of the store cannot be used.</exception>
    /// <exception cref="SubscriptionTakenException">Another process reads a subscription of the embedded broker.</exception>
    public static async Task<PipelineResources> OpenAsync(HostSettings settings, ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var resources = new PipelineResources(settings);
        try
        {
            await resources.OpenAsync(loggers, cancellationToken);
            return resources;
        }
        catch
        {
            await resources.DisposeAsync();
            throw;
        }
    }

    /// <summary>Closes everything, in the reverse order.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_publisher is not null)
        {
            await _publisher.DisposeAsync();
        }

        if (_ownership is not null)
        {
            await _ownership.DisposeAsync();
        }

        if (_store is not null)
        {
            await _store.DisposeAsync();
        }

        Connection?.Dispose();
        if (Broker is not null)
        {
            BrokerEndpointFile.Delete(_settings);
            await Broker.DisposeAsync();
        }
    }

    private async Task OpenAsync(ILoggerFactory loggers, CancellationToken cancellationToken)
    {
        var pubsub = _settings.PubSub;
        if (_settings.RunsBroker)
        {
            Broker = await BrokerStart.StartForPipelineAsync(_settings, loggers, cancellationToken);
            pubsub = pubsub with { EmulatorHost = Broker.Endpoint };
        }

        Connection = await PubSubConnection.OpenAsync(pubsub, loggers, cancellationToken: cancellationToken);
        _store = CreateStore(loggers);
        await Setup.CreateMissingAsync(_settings, Connection, loggers, cancellationToken);
        if (_settings is { SingleReader: true, Cluster.Enabled: false, PubSub.EmulatorHost.Length: > 0 })
        {
            await BrokerReaders.RequireNoneAsync(
                Connection,
                [_settings.Pipeline.OrdersSubscription, _settings.Pipeline.PaymentsSubscription],
                loggers.CreateLogger(typeof(BrokerReaders).FullName!),
                TimeProvider.System,
                cancellationToken);
        }

        _publisher = Clients.Publisher(_settings.PubSubClient, Connection);
        _ports = new EcomStreamPorts(
            _store,
            Subscribe(_settings.Pipeline.OrdersSubscription),
            Subscribe(_settings.Pipeline.PaymentsSubscription),
            _publisher,
            _settings.Pipeline.HealFromSubscription is { } deadLetters ? Subscribe(deadLetters) : null)
        {
            IsOnlyReader = _settings is { SingleReader: true, Cluster.Enabled: false },
        };

        ISubscription Subscribe(string name) => Clients.Subscription(_settings.PubSubClient, Connection, name);
    }

    private MonitoredStore CreateStore(ILoggerFactory loggers)
    {
        var store = Stores.Create(_settings, loggers, isPipeline: true);
        if (!_settings.SingleReader || store is not IOwnershipStore owners)
        {
            return new MonitoredStore(store, TimeProvider.System);
        }

        _ownership = new SubscriptionOwnership(
            owners,
            [_settings.PubSub.SubscriptionName(_settings.Pipeline.OrdersSubscription), _settings.PubSub.SubscriptionName(_settings.Pipeline.PaymentsSubscription)],
            _settings.Cluster.Enabled ? HostSettings.SystemName : null,
            TimeProvider.System,
            loggers.CreateLogger<SubscriptionOwnership>());
        return new MonitoredStore(store, TimeProvider.System, _ownership.AcquireAsync);
    }
}
