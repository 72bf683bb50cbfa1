using System.Globalization;
using System.Net;
using System.Net.Sockets;
using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Faults;
using EcomStream.PubSub.Broker.Push;
using EcomStream.PubSub.Broker.Server;
using EcomStream.PubSub.Broker.State;
using EcomStream.PubSub.Broker.Testing;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker;

/// <summary>
/// A Pub/Sub broker in this process: the google.pubsub.v1 Publisher and Subscriber services over gRPC and REST without
/// TLS, so that any client of Cloud Pub/Sub talks to it when PUBSUB_EMULATOR_HOST names its <see cref="Endpoint"/>.
/// Messages and acks are on disk before they are answered.
/// </summary>
public sealed class EmbeddedBroker : IAsyncDisposable
{
    // How long what is under way may take when the broker stops.
    private static readonly TimeSpan StopPatience = TimeSpan.FromMilliseconds(500);

    // A client forgets a status that it has not read when its connection closes.
    private static readonly TimeSpan StatusArrives = TimeSpan.FromMilliseconds(50);

    private readonly WebApplication _app;
    private readonly BrokerState _state;
    private readonly Durability _durability;
    private readonly OpenStreams _streams;
    private readonly BrokerUpkeep _upkeep;
    private readonly FaultInjection _faults;
    private readonly PushTokens _tokens;
    private readonly PushDispatcher _pushes;
    private readonly ILogger _logger;
    private readonly TestControls _controls;
    private int _disposed;

    private EmbeddedBroker(
        WebApplication app, BrokerState state, Durability durability, OpenStreams streams, PushTokens tokens, FaultInjection faults,
        TestControls controls, EmbeddedBrokerOptions options, ILogger logger)
    {
        _app = app;
        _streams = streams;
        _state = state;
        _durability = durability;
        _logger = logger;
        _controls = controls;
        var address = app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First();
        Port = new Uri(address).Port;
        Endpoint = options.Host.Contains(':', StringComparison.Ordinal) ? $"[{options.Host}]:{Port}" : $"{options.Host}:{Port}";
        _upkeep = new BrokerUpkeep(state, options, logger);
        _upkeep.Start();
        controls.Upkeep = _upkeep;
        _faults = faults;
        _tokens = tokens;
        _tokens.Issuer = $"http://{Endpoint}";
        _pushes = new PushDispatcher(state, durability, tokens, options.Time, logger);
        _pushes.Start();
    }

    /// <summary>What PUBSUB_EMULATOR_HOST is to be set to: host:port.</summary>
    public string Endpoint { get; }

    /// <summary>The port that it listens on.</summary>
    public int Port { get; }

    /// <summary>Opens the folder and starts to listen.</summary>
    /// <param name="options">How it runs.</param>
    /// <param name="cancellationToken">Gives the start up.</param>
    /// <exception cref="BrokerStartException">The port is taken, or the folder cannot be used; the message says what to do.</exception>
    public static async Task<EmbeddedBroker> StartAsync(EmbeddedBrokerOptions options, CancellationToken cancellationToken = default)
    {
        var logger = options.LoggerFactory.CreateLogger<EmbeddedBroker>();
        if (!IPAddress.TryParse(options.Host == "localhost" ? "127.0.0.1" : options.Host, out var address))
        {
            throw new BrokerStartException($"The broker cannot listen on '{options.Host}': give an IP address, such as 127.0.0.1 or 0.0.0.0.");
        }

        if (!options.InMemory && options.DataDirectory.Length == 0)
        {
            throw new BrokerStartException("The broker has no folder: set DataDirectory, or InMemory to keep nothing on the disk.");
        }

        options = options.Effective;
        var clock = options.InMemory ? new MovableTime(options.Time) : null;
        options = options with { Time = clock ?? options.Time };
        var state = BrokerState.Open(options, logger);
        try
        {
            SeedResources.Apply(options.SeedFile, state);
        }
        catch
        {
            state.Dispose();
            throw;
        }

        var durability = new Durability(state, options, logger);
        var streams = new OpenStreams();
        var tokens = new PushTokens(options.Time);
        var faults = new FaultInjection(options.Time);
        var controls = new TestControls(state, durability, faults, options.SeedFile, clock);
        var app = BrokerServer.Build(options, address, state, durability, streams, tokens, faults, controls);
        try
        {
            await app.StartAsync(cancellationToken);
        }
        catch (Exception error)
        {
            await app.DisposeAsync();
            await durability.DisposeAsync();
            streams.Dispose();
            tokens.Dispose();
            state.Dispose();
            if (error is IOException or SocketException)
            {
                throw new BrokerStartException(
                    $"The broker cannot listen on {options.Host}:{options.Port} ({error.Message.TrimEnd('.')}). Stop what uses the port, or give another one.", error);
            }

            throw;
        }

        var broker = new EmbeddedBroker(app, state, durability, streams, tokens, faults, controls, options, logger);
        if (options.InMemory)
        {
            logger.LogInformation("Broker listens on {Endpoint}, keeps everything in memory", broker.Endpoint);
        }
        else
        {
            logger.LogInformation("Broker listens on {Endpoint}, keeps its files in {Folder}", broker.Endpoint, options.DataDirectory);
        }

        return broker;
    }

    /// <summary>What a subscription holds, by its full name; null when it does not exist.</summary>
    public SubscriptionStats? GetSubscriptionStats(string subscription) =>
        _state.FindSubscription(subscription)?.Stats;

    /// <summary>What a subscription has not acked and how old it is, by its full name; null when it does not exist.</summary>
    /// <param name="subscription">projects/PROJECT/subscriptions/SUBSCRIPTION.</param>
    /// <exception cref="InvalidDataException">The log is damaged; the message says where.</exception>
    public SubscriptionBacklog? GetSubscriptionStatus(string subscription) =>
        _state.FindSubscription(subscription)?.GetStatus();

    /// <summary>The injected faults, each with the calls that it still meets.</summary>
    public IReadOnlyList<BrokerFault> Faults => _faults.All;

    /// <summary>Has calls meet a fault, for tests of how a client copes.</summary>
    /// <returns>Removes it; a fault for a number of calls removes itself after them.</returns>
    /// <exception cref="ArgumentException">There is no such method, or the fault has no effect.</exception>
    public IDisposable InjectFault(BrokerFault fault) => _faults.Add(fault);

    /// <summary>Deletes all topics, subscriptions, snapshots and faults, and creates what the seed file names.</summary>
    public void Reset() => _controls.Reset();

    /// <summary>The time of the broker, by which publish times, leases, backoffs and retention go.</summary>
    public DateTimeOffset Now => _controls.Now;

    /// <summary>
    /// Moves the clock of a broker in memory forward. Leases, backoffs and retention that end by it have ended when this returns.
    /// </summary>
    /// <param name="time">How far.</param>
    /// <exception cref="InvalidOperationException">The broker has files.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative, or longer than 100 years in all.</exception>
    public void AdvanceTime(TimeSpan time) => _controls.Advance(time);

    /// <summary>Publishes a message without a client, for tests: with a publish time, if it has one.</summary>
    /// <param name="topic">projects/PROJECT/topics/TOPIC.</param>
    /// <param name="message">The message.</param>
    /// <returns>Its message id.</returns>
    /// <exception cref="ArgumentException">The topic does not exist, or does not take the message; the exception says why.</exception>
    /// <exception cref="InvalidOperationException">It has a publish time, and the broker has files.</exception>
    /// <exception cref="IOException">The disk is full or broken.</exception>
    public string Publish(string topic, BrokerMessage message)
    {
        var published = new PubsubMessage
        {
            Data = ByteString.CopyFrom(message.Data.Span),
            OrderingKey = message.OrderingKey,
            PublishTime = message.PublishTime?.ToTimestamp(),
        };
        published.Attributes.Add(message.Attributes);
        try
        {
            return _controls.Publish(topic, published).ToString(CultureInfo.InvariantCulture);
        }
        catch (RpcException broken) when (broken.StatusCode == StatusCode.ResourceExhausted)
        {
            throw new IOException(broken.Status.Detail, broken);
        }
        catch (RpcException refused)
        {
            throw new ArgumentException(refused.Status.Detail, nameof(message), refused);
        }
    }

    /// <summary>Ends the streams, syncs and closes the files.</summary>
    public async ValueTask DisposeAsync()
    {
        if (Interlocked.Exchange(ref _disposed, 1) == 1)
        {
            return;
        }

        _upkeep.Dispose();
        await _pushes.DisposeAsync();
        try
        {
            if (await _streams.EndAsync(StopPatience))
            {
                await Task.Delay(StatusArrives);
            }
        }
        catch (TimeoutException)
        {
            // A client that does not read holds its stream open; closing the connection ends it.
        }

        using (var patience = new CancellationTokenSource(StopPatience))
        {
            await _app.StopAsync(patience.Token);
        }

        await _app.DisposeAsync();
        await _durability.DisposeAsync();
        _streams.Dispose();
        _tokens.Dispose();
        try
        {
            _state.Close();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // Everything that was answered is with the operating system, as after a crash of the process.
            _logger.LogError(error, "The broker's files could not be synced when it was closed");
        }
        finally
        {
            _state.Dispose();
        }
    }
}
