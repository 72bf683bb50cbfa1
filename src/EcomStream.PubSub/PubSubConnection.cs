using Google.Cloud.PubSub.V1;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.PubSub;

/// <summary>The connection to one Pub/Sub endpoint, shared by subscriptions, publishers and admin.</summary>
public sealed class PubSubConnection : IDisposable
{
    private readonly GrpcChannel _channel;

    private PubSubConnection(PubSubSettings settings, GrpcChannel channel, TimeProvider time, ILoggerFactory loggers)
    {
        Settings = settings;
        Time = time;
        Loggers = loggers;
        _channel = channel;
        Invoker = channel.CreateCallInvoker();
        Publisher = new Publisher.PublisherClient(Invoker);
        Subscriber = new Subscriber.SubscriberClient(Invoker);
    }

    /// <summary>The settings.</summary>
    public PubSubSettings Settings { get; }

    internal TimeProvider Time { get; }

    internal ILoggerFactory Loggers { get; }

    internal Grpc.Core.CallInvoker Invoker { get; }

    internal Publisher.PublisherClient Publisher { get; }

    internal Subscriber.SubscriberClient Subscriber { get; }

    /// <summary>Makes a connection; nothing is sent before it is used.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="loggers">Where it logs.</param>
    /// <param name="time">The clock; the system's when left out.</param>
    /// <exception cref="NotSupportedException">No emulator host is set: Google Cloud's authentication is not built yet.</exception>
    public static PubSubConnection Create(PubSubSettings settings, ILoggerFactory? loggers = null, TimeProvider? time = null)
    {
        if (settings.EmulatorHost.Length == 0)
        {
            throw new NotSupportedException(
                "Pub/Sub on Google Cloud needs credentials, which this version cannot use yet. Set ecomstream.pubsub.emulator-host "
                + $"or {PubSubSettings.EmulatorVariable} to the host:port of an emulator or of 'ecomstream broker'.");
        }

        if (!Uri.TryCreate("http://" + settings.EmulatorHost, UriKind.Absolute, out var address) || address.PathAndQuery != "/")
        {
            throw new Akka.Configuration.ConfigurationException(
                $"ecomstream.pubsub.emulator-host or {PubSubSettings.EmulatorVariable} is '{settings.EmulatorHost}': it must be host:port.");
        }

        var handler = new SocketsHttpHandler
        {
            EnableMultipleHttp2Connections = true,
            InitialHttp2StreamWindowSize = 8 << 20,
            KeepAlivePingDelay = settings.KeepAlive,
            KeepAlivePingTimeout = settings.KeepAlive,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            ConnectTimeout = TimeSpan.FromSeconds(10),
            UseProxy = false,
        };
        var channel = GrpcChannel.ForAddress(address, new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            MaxReceiveMessageSize = null,
            MaxSendMessageSize = null,
        });
        return new PubSubConnection(settings, channel, time ?? TimeProvider.System, loggers ?? NullLoggerFactory.Instance);
    }

    /// <summary>Closes the connection.</summary>
    public void Dispose() => _channel.Dispose();
}
