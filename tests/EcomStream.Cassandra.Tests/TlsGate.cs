using EcomStream.Cql.TestSupport;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;

namespace EcomStream.Cassandra.Tests;

/// <summary>Stands before a server without TLS and lets in clients whose certificate is of one authority.</summary>
internal sealed class TlsGate : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly IPEndPoint _server;
    private readonly SslStreamCertificateContext _certificate;
    private readonly X509Certificate2 _clientAuthority;
    private readonly CancellationTokenSource _closing = new();
    private readonly Task _accepting;

    /// <param name="server">host:port of the server.</param>
    /// <param name="certificate">The gate's own.</param>
    /// <param name="clientAuthority">The one authority that the gate knows.</param>
    /// <param name="between">What it sends with its own, to lead to the authority that clients know.</param>
    public TlsGate(string server, X509Certificate2 certificate, X509Certificate2 clientAuthority, params X509Certificate2[] between)
    {
        (_server, _clientAuthority) = (IPEndPoint.Parse(server), clientAuthority);
        _certificate = SslStreamCertificateContext.Create(certificate, [.. between], offline: true);
        _listener.Start();
        _accepting = Task.Run(AcceptAsync);
    }

    /// <summary>host:port for the client.</summary>
    public string Endpoint => _listener.LocalEndpoint.ToString()!;

    /// <summary>The subjects of the clients that were let in.</summary>
    public List<string> Clients { get; } = [];

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        _listener.Stop();
        await _accepting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _closing.Dispose();
    }

    private async Task AcceptAsync()
    {
        while (true)
        {
            _ = PassAsync(await _listener.AcceptTcpClientAsync(_closing.Token));
        }
    }

    private async Task PassAsync(TcpClient client)
    {
        try
        {
            using (client)
            await using (var tls = new SslStream(client.GetStream()))
            {
                await tls.AuthenticateAsServerAsync(
                    new SslServerAuthenticationOptions
                    {
                        ServerCertificateContext = _certificate,
                        ClientCertificateRequired = true,
                        RemoteCertificateValidationCallback = (_, shown, sent, _) => IsWelcome(shown, sent),
                    },
                    _closing.Token);
                using var server = new TcpClient { NoDelay = true };
                await server.ConnectAsync(_server, _closing.Token);
                await Task.WhenAny(
                    tls.CopyToAsync(server.GetStream(), _closing.Token),
                    server.GetStream().CopyToAsync(tls, _closing.Token));
            }
        }
        catch (Exception ended) when (ended is IOException or AuthenticationException or OperationCanceledException or SocketException)
        {
            // The client learns of it by its connection.
        }
    }

    private bool IsWelcome(X509Certificate? shown, X509Chain? sent)
    {
        if (shown is not X509Certificate2 certificate)
        {
            return false;
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.CustomTrustStore.Add(_clientAuthority);
        chain.ChainPolicy.ExtraStore.AddRange(sent!.ChainPolicy.ExtraStore);
        if (!chain.Build(certificate))
        {
            return false;
        }

        lock (Clients)
        {
            Clients.Add(certificate.Subject);
        }

        return true;
    }
}
