using System.Net;
using System.Net.Sockets;
using Akka.Configuration;
using Google.Cloud.PubSub.V1;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.PubSub;

/// <summary>
/// What subscriptions, publishers and admin of one Pub/Sub endpoint share: the one place that knows addresses,
/// credentials and HTTP/2.
/// </summary>
public sealed class PubSubConnection : IDisposable
{
    // gRPC servers in Java and C++ end connections that are pinged more often than this while they are quiet
    // (https://github.com/grpc/grpc/blob/master/doc/keepalive.md).
    private static readonly TimeSpan LeastPingDelay = TimeSpan.FromMinutes(5);

    private readonly Uri _address;
    private readonly GrpcChannel _channel;

    private PubSubConnection(PubSubSettings settings, Uri address, TimeProvider time, ILoggerFactory loggers)
    {
        Settings = settings;
        Time = time;
        Loggers = loggers;
        _address = address;
        _channel = OpenChannel();
        Publisher = new Publisher.PublisherClient(_channel);
        Subscriber = new Subscriber.SubscriberClient(_channel);
    }

    /// <summary>The settings.</summary>
    public PubSubSettings Settings { get; }

    internal TimeProvider Time { get; }

    internal ILoggerFactory Loggers { get; }

    internal Publisher.PublisherClient Publisher { get; }

    internal Subscriber.SubscriberClient Subscriber { get; }

    /// <summary>Makes a connection; nothing is sent before it is used.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="loggers">Where it logs; nowhere when left out.</param>
    /// <param name="time">The clock; the system's when left out.</param>
    /// <exception cref="NotSupportedException">No emulator host is set: Google Cloud's authentication is not built yet.</exception>
    /// <exception cref="ConfigurationException">The emulator host is not host:port.</exception>
    public static PubSubConnection Create(PubSubSettings settings, ILoggerFactory? loggers = null, TimeProvider? time = null)
    {
        if (settings.EmulatorHost.Length == 0)
        {
            throw new NotSupportedException(
                "Pub/Sub on Google Cloud needs credentials, which this version cannot use yet. Set ecomstream.pubsub.emulator-host "
                + $"or {PubSubSettings.EmulatorVariable} to the host:port of an emulator or of 'ecomstream broker'.");
        }

        var address = PubSubSettings.Address(settings.EmulatorHost) ?? throw new ConfigurationException(
            $"ecomstream.pubsub.emulator-host = {settings.EmulatorHost}: it must be host:port, such as localhost:8085.");
        return new PubSubConnection(settings, address, time ?? TimeProvider.System, loggers ?? NullLoggerFactory.Instance);
    }

    /// <summary>Closes the connection. Subscriptions have their own and are disposed by themselves.</summary>
    public void Dispose() => _channel.Dispose();

    /// <summary>
    /// A channel of its own TCP connection. Each subscription has one: an HTTP/2 connection is read by one thread at a
    /// time, and what one subscription is sent would hold up the other's acks.
    /// </summary>
    internal GrpcChannel OpenChannel()
    {
        var connection = Settings.Connection;
        var handler = new SocketsHttpHandler
        {
            EnableMultipleHttp2Connections = true,
            InitialHttp2StreamWindowSize = connection.WindowSize,
            ConnectTimeout = connection.ConnectTimeout,
            PooledConnectionIdleTimeout = Timeout.InfiniteTimeSpan,
            UseProxy = false,
            ConnectCallback = async (context, cancellationToken) => await Connect(context.DnsEndPoint, connection, cancellationToken),
        };
        if (connection.KeepAlive >= LeastPingDelay)
        {
            handler.KeepAlivePingDelay = connection.KeepAlive;
            handler.KeepAlivePingTimeout = connection.RequestTimeout;
            handler.KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests;
        }

        return GrpcChannel.ForAddress(_address, new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            Credentials = ChannelCredentials.Insecure,

            // Flow control bounds what is received, in messages and bytes; a response is as large as the server makes it.
            MaxReceiveMessageSize = null,
            MaxSendMessageSize = null,
        });
    }

    private static async Task<Stream> Connect(DnsEndPoint target, ConnectionSettings connection, CancellationToken cancellationToken)
    {
        var socket = new Socket(SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
        try
        {
            var seconds = (int)Math.Max(1, connection.KeepAlive.TotalSeconds);
            socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, seconds);
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, Math.Max(1, seconds / 3));
            socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
            await socket.ConnectAsync(target, cancellationToken);
            return new NetworkStream(socket, ownsSocket: true);
        }
        catch
        {
            socket.Dispose();
            throw;
        }
    }
}
