using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace EcomStream.Cql.Protocol;

/// <summary>The TLS side of a connection: whom it trusts and what it shows.</summary>
internal sealed class TlsHandshake : IDisposable
{
    private readonly CqlTls _settings;
    private readonly X509Certificate2Collection? _trusted;
    private readonly X509Certificate2? _certificate;
    private readonly SslStreamCertificateContext? _shown;

    /// <exception cref="CqlAuthenticationException">A file is missing, or holds no certificate or key.</exception>
    public TlsHandshake(CqlTls settings)
    {
        _settings = settings;
        try
        {
            if (settings.CaFile.Length > 0)
            {
                _trusted = [];
                _trusted.ImportFromPemFile(settings.CaFile);
                if (_trusted.Count == 0)
                {
                    throw new CryptographicException("it holds no certificate");
                }
            }

            if (settings.CertificateFile.Length > 0)
            {
                using var pem = X509Certificate2.CreateFromPemFile(
                    settings.CertificateFile, settings.KeyFile.Length > 0 ? settings.KeyFile : null);

                // The platform's TLS wants the key in a form of its own.
                _certificate = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);

                // The file's other certificates are those that lead to an authority that the node knows.
                var chain = new X509Certificate2Collection();
                chain.ImportFromPemFile(settings.CertificateFile);
                _shown = SslStreamCertificateContext.Create(_certificate, chain, offline: true);
            }
        }
        catch (Exception wrong) when (wrong is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new CqlAuthenticationException(
                $"The TLS files for Cassandra cannot be used (ca-file '{settings.CaFile}', certificate-file '{settings.CertificateFile}', key-file '{settings.KeyFile}'): {wrong.Message}", wrong);
        }
    }

    /// <summary>Why <see cref="Accepts"/> refused a node the last time; empty when it has refused none.</summary>
    public string LastRefusal { get; private set; } = "";

    /// <summary>What this client shows of itself; null for nothing.</summary>
    public X509Certificate2? ClientCertificate => _certificate;

    /// <summary>
    /// Whether a node is who it should be, for a client whose own handshake did not know the authorities to trust: the
    /// chain is built again with them.
    /// </summary>
    /// <param name="node">The node's certificate.</param>
    /// <param name="sent">The chain of the handshake, with the certificates that the node has sent.</param>
    /// <param name="errors">What the handshake found.</param>
    public bool Accepts(X509Certificate? node, X509Chain? sent, SslPolicyErrors errors)
    {
        if (node is null || TrustPolicy() is not { } policy)
        {
            return IsNone(Refusal(node, sent, errors));
        }

        policy.ExtraStore.AddRange(sent?.ChainPolicy.ExtraStore ?? []);
        foreach (var element in sent?.ChainElements ?? Enumerable.Empty<X509ChainElement>())
        {
            policy.ExtraStore.Add(element.Certificate);
        }

        using var chain = new X509Chain { ChainPolicy = policy };
        using var certificate = X509CertificateLoader.LoadCertificate(node.Export(X509ContentType.Cert));
        var found = chain.Build(certificate)
            ? errors & ~SslPolicyErrors.RemoteCertificateChainErrors
            : errors | SslPolicyErrors.RemoteCertificateChainErrors;
        return IsNone(Refusal(node, chain, found));

        bool IsNone(string refusal)
        {
            LastRefusal = refusal.Length > 0 ? refusal : LastRefusal;
            return refusal.Length == 0;
        }
    }

    /// <summary>What is to be said of a handshake that failed.</summary>
    /// <param name="node">The node.</param>
    /// <param name="why">A sentence.</param>
    public static string Failed(string node, string why) => $"The TLS handshake with {node} failed: {why} Check that the node requires TLS, and the setting Tls.";

    /// <exception cref="CqlAuthenticationException">One side refuses the other, or they have no version of TLS in common.</exception>
    /// <exception cref="CqlConnectionException">The connection was lost in the middle of the handshake.</exception>
    public async Task<SslStream> SecureAsync(Stream stream, string host, string node, CancellationToken cancellationToken)
    {
        var refusal = "";
        var tls = new SslStream(stream, leaveInnerStreamOpen: false);
        try
        {
            await tls.AuthenticateAsClientAsync(
                new SslClientAuthenticationOptions
                {
                    TargetHost = host,
                    ClientCertificateContext = _shown,
                    CertificateChainPolicy = TrustPolicy(),
                    RemoteCertificateValidationCallback = (_, certificate, chain, errors) => (refusal = Refusal(certificate, chain, errors)).Length == 0,
                },
                cancellationToken);
            return tls;
        }
        catch (Exception failed) when (failed is AuthenticationException or IOException)
        {
            await tls.DisposeAsync();
            var message = Failed(node, refusal.Length > 0 ? refusal : failed.Message);
            throw failed is IOException && refusal.Length == 0
                ? new CqlConnectionException(message, failed) { Setting = nameof(CqlSettings.Tls) }
                : new CqlAuthenticationException(message, failed) { Setting = nameof(CqlSettings.Tls) };
        }
    }

    public void Dispose() => _certificate?.Dispose();

    // Null for the machine's own. Certificates between the node's and its authority come from the node or the file; a
    // certificate that says what it is for must be for a server, which SslStream asks of the chain.
    private X509ChainPolicy? TrustPolicy()
    {
        if (_trusted is null)
        {
            return null;
        }

        var policy = new X509ChainPolicy { TrustMode = X509ChainTrustMode.CustomRootTrust, RevocationMode = X509RevocationMode.NoCheck };
        policy.CustomTrustStore.AddRange(_trusted);
        return policy;
    }

    // Why the node is not who it should be; empty when it is.
    private string Refusal(X509Certificate? node, X509Chain? chain, SslPolicyErrors errors)
    {
        if (node is null)
        {
            return "the node shows no certificate.";
        }

        if (_settings.VerifyHost && errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            return $"its certificate ({node.Subject}) is for another host.";
        }

        if (!errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors))
        {
            return "";
        }

        var why = string.Join(", ", chain?.ChainStatus.Select(status => status.Status) ?? []);
        return _trusted is null
            ? $"its certificate ({node.Subject}) is not trusted by this machine; give its authority as ca-file ({why})."
            : $"its certificate ({node.Subject}) does not lead to {_settings.CaFile}: {why}.";
    }
}
