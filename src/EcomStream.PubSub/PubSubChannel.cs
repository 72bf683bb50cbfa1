using System.Net;
using System.Net.Sockets;
using Akka.Configuration;
using Grpc.Core;
using Grpc.Net.Client;

namespace EcomStream.PubSub;

/// <summary>Makes the gRPC channels: the one place that knows addresses, credentials and HTTP/2.</summary>
internal static class PubSubChannel
{
    // gRPC servers in Java and C++ end connections that are pinged more often than this while they are quiet
    // (https://github.com/grpc/grpc/blob/master/doc/keepalive.md).
    private static readonly TimeSpan LeastPingDelay = TimeSpan.FromMinutes(5);

    /// <summary>Makes a channel; it connects when it is first used.</summary>
    /// <exception cref="ConfigurationException">No endpoint is set, and credentials for Google's service are not supported.</exception>
    public static GrpcChannel Create(PubSubSettings settings)
    {
        if (settings.Endpoint is null)
        {
            throw new ConfigurationException(
                "No Pub/Sub endpoint is configured: set ecomstream.pubsub.endpoint or PUBSUB_EMULATOR_HOST to host:port. "
                + "Google Cloud's own service needs credentials, which this version cannot obtain.");
        }

        var connection = settings.Connection;
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

        return GrpcChannel.ForAddress(settings.Endpoint, new GrpcChannelOptions
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
