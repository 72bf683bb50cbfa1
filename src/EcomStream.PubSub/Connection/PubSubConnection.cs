using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Akka.Configuration;
using EcomStream.Broker.V1;
using Google.Cloud.Iam.V1;
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
    // Google's service may be pinged every 30 s, as its own clients do. Any other gRPC server in Java, such as the
    // emulator, ends a connection that is pinged more often than this while nothing is sent on it (its
    // KeepAliveEnforcer; https://github.com/grpc/grpc/blob/master/doc/keepalive.md).
    private static readonly TimeSpan LeastPingDelayOfOthers = TimeSpan.FromMinutes(5);

    // linux/tcp.h: after how many ms without an answer to what was sent the connection is given up. Without it that is
    // some 15 minutes, and TCP probes nothing meanwhile.
    internal const int TcpUserTimeout = 18;

    private readonly Uri _address;
    private readonly ChannelCredentials _credentials;
    private readonly X509Certificate2Collection? _trusted;
    private readonly GrpcChannel _channel;

    private PubSubConnection(
        PubSubSettings settings,
        Uri address,
        ChannelCredentials credentials,
        string account,
        X509Certificate2Collection? trusted,
        TimeProvider time,
        ILoggerFactory loggers)
    {
        Settings = settings;
        Account = account;
        Time = time;
        Loggers = loggers;
        (_address, _credentials, _trusted) = (address, credentials, trusted);
        _channel = OpenChannel();
        Calls = _channel.CreateCallInvoker();
        Publisher = new Publisher.PublisherClient(Calls);
        Subscriber = new Subscriber.SubscriberClient(Calls);
        Inspection = new Inspection.InspectionClient(Calls);
        Policies = new IAMPolicy.IAMPolicyClient(Calls);
    }

    /// <summary>The settings.</summary>
    public PubSubSettings Settings { get; }

    /// <summary>Whose credentials the requests have, for messages to a human.</summary>
    internal string Account { get; }

    internal TimeProvider Time { get; }

    internal ILoggerFactory Loggers { get; }

    internal CallInvoker Calls { get; }

    internal Publisher.PublisherClient Publisher { get; }

    internal Subscriber.SubscriberClient Subscriber { get; }

    internal Inspection.InspectionClient Inspection { get; }

    internal IAMPolicy.IAMPolicyClient Policies { get; }

    private TimeSpan PingDelay =>
        Settings.EmulatorHost.Length == 0 || Settings.Connection.KeepAlive > LeastPingDelayOfOthers ? Settings.Connection.KeepAlive : LeastPingDelayOfOthers;

    /// <summary>Makes a connection to an emulator or an embedded broker; nothing is sent before it is used.</summary>
    /// <param name="settings">The settings.</param>
    /// <param name="loggers">Where it logs; nowhere when left out.</param>
    /// <param name="time">The clock; the system's when left out.</param>
    /// <exception cref="ConfigurationException">There is no emulator host, or it is not host:port.</exception>
    public static PubSubConnection Create(PubSubSettings settings, ILoggerFactory? loggers = null, TimeProvider? time = null)
    {
        if (settings.EmulatorHost.Length == 0)
        {
            throw new ConfigurationException(
                $"ecomstream.pubsub.emulator-host is empty: set it, or {PubSubSettings.EmulatorVariable}, to the host:port of an emulator "
                + $"or of 'ecomstream broker'; Google Cloud is opened with {nameof(OpenAsync)}.");
        }

        var address = PubSubSettings.Address(settings.EmulatorHost) ?? throw new ConfigurationException(
            $"ecomstream.pubsub.emulator-host = {settings.EmulatorHost}: it must be host:port, such as localhost:8085.");
        loggers ??= NullLoggerFactory.Instance;
        loggers.CreateLogger<PubSubConnection>().LogInformation(
            "Pub/Sub at {Endpoint}, project {Project} (from {Source})", settings.Endpoint, settings.ProjectId, settings.ProjectSource);
        return new PubSubConnection(
            settings, address, ChannelCredentials.Insecure, "this account, which sends no credentials,", null, time ?? TimeProvider.System, loggers);
    }

    /// <summary>
    /// Makes a connection to whatever the settings name: an emulator, or Google Cloud over TLS, whose credentials are
    /// loaded and tried.
    /// </summary>
    /// <param name="settings">The settings.</param>
    /// <param name="loggers">Where it logs; nowhere when left out.</param>
    /// <param name="time">The clock; the system's when left out.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <exception cref="ConfigurationException">An address is not host:port, or the file of authorities cannot be read.</exception>
    /// <exception cref="PubSubCredentialsException">The credentials are missing or wrong.</exception>
    public static async Task<PubSubConnection> OpenAsync(
        PubSubSettings settings, ILoggerFactory? loggers = null, TimeProvider? time = null, CancellationToken cancellationToken = default)
    {
        if (settings.EmulatorHost.Length > 0)
        {
            return Create(settings, loggers, time);
        }

        loggers ??= NullLoggerFactory.Instance;
        var logger = loggers.CreateLogger<PubSubConnection>();
        var trusted = Trusted(settings.Connection.CaFile);
        var access = await GoogleAccess.LoadAsync(settings, logger, cancellationToken);
        logger.LogInformation(
            "Pub/Sub at {Endpoint}, project {Project} (from {Source}), with the credentials from {Credentials}",
            settings.Endpoint,
            settings.ProjectId,
            settings.ProjectSource,
            access.Description);
        return new PubSubConnection(
            settings,
            new Uri($"https://{settings.Endpoint}"),
            ChannelCredentials.Create(ChannelCredentials.SecureSsl, access.ForCalls()),
            $"the account of {access.Description}",
            trusted,
            time ?? TimeProvider.System,
            loggers);
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
            KeepAlivePingDelay = PingDelay,
            KeepAlivePingTimeout = connection.RequestTimeout,
            KeepAlivePingPolicy = HttpKeepAlivePingPolicy.WithActiveRequests,
            ConnectCallback = async (context, cancellationToken) => await ConnectAsync(context.DnsEndPoint, connection, cancellationToken),
        };
        if (_trusted is not null)
        {
            handler.SslOptions.CertificateChainPolicy = new X509ChainPolicy
            {
                TrustMode = X509ChainTrustMode.CustomRootTrust,
                RevocationMode = X509RevocationMode.NoCheck,
            };
            handler.SslOptions.CertificateChainPolicy.CustomTrustStore.AddRange(_trusted);
        }

        return GrpcChannel.ForAddress(_address, new GrpcChannelOptions
        {
            HttpHandler = handler,
            DisposeHttpClient = true,
            Credentials = _credentials,

            // Flow control bounds what is received, in messages and bytes; a response is as large as the server makes it.
            MaxReceiveMessageSize = null,
            MaxSendMessageSize = null,
        });
    }

    private static X509Certificate2Collection? Trusted(string file)
    {
        if (file.Length == 0)
        {
            return null;
        }

        try
        {
            var trusted = new X509Certificate2Collection();
            trusted.ImportFromPemFile(file);
            return trusted.Count > 0 ? trusted : throw new CryptographicException("it holds no certificate");
        }
        catch (Exception wrong) when (wrong is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new ConfigurationException($"ecomstream.pubsub.connection.ca-file = {file} cannot be used: {wrong.Message}", wrong);
        }
    }

    /// <summary>
    /// Connects to the first address of a name that answers; the connection breaks when the peer's machine has not answered
    /// for keep-alive and a third of it.
    /// </summary>
    internal static async Task<Stream> ConnectAsync(DnsEndPoint target, ConnectionSettings connection, CancellationToken cancellationToken) =>
        await ConnectAsync(await Dns.GetHostAddressesAsync(target.Host, cancellationToken), target.Port, connection, cancellationToken);

    /// <param name="addresses">The addresses, tried one after the other.</param>
    /// <param name="port">The port.</param>
    /// <param name="connection">Its settings.</param>
    /// <param name="cancellationToken">Gives it up.</param>
    /// <exception cref="SocketException">None of the addresses answers.</exception>
    internal static async Task<Stream> ConnectAsync(IPAddress[] addresses, int port, ConnectionSettings connection, CancellationToken cancellationToken)
    {
        SocketException? failure = null;
        foreach (var address in addresses)
        {
            // A socket of its own for each: one that is given several addresses is replaced after the first failure, and
            // the replacement lacks the options of the platform.
            var socket = new Socket(address.AddressFamily, SocketType.Stream, ProtocolType.Tcp) { NoDelay = true };
            try
            {
                var seconds = (int)Math.Max(1, connection.KeepAlive.TotalSeconds);
                socket.SetSocketOption(SocketOptionLevel.Socket, SocketOptionName.KeepAlive, true);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveTime, seconds);
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveInterval, Math.Max(1, seconds / 3));
                socket.SetSocketOption(SocketOptionLevel.Tcp, SocketOptionName.TcpKeepAliveRetryCount, 3);
                if (OperatingSystem.IsLinux())
                {
                    socket.SetRawSocketOption((int)SocketOptionLevel.Tcp, TcpUserTimeout, BitConverter.GetBytes(seconds * 1_000));
                }

                await socket.ConnectAsync(new IPEndPoint(address, port), cancellationToken);
                return new NetworkStream(socket, ownsSocket: true);
            }
            catch (SocketException error)
            {
                failure = error;
                socket.Dispose();
            }
            catch
            {
                socket.Dispose();
                throw;
            }
        }

        throw failure ?? new SocketException((int)SocketError.HostNotFound);
    }
}
