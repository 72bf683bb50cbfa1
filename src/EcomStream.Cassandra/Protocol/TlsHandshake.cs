using System.Net.Security;
using System.Security.Authentication;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;

namespace EcomStream.Cassandra.Protocol;

/// <summary>The TLS side of a connection: whom it trusts and what it shows.</summary>
internal sealed class TlsHandshake : IDisposable
{
    private readonly CassandraTls _settings;
    private readonly X509Certificate2Collection? _trusted;
    private readonly X509Certificate2? _certificate;

    /// <exception cref="CqlAuthenticationException">A file is missing, or holds no certificate or key.</exception>
    public TlsHandshake(CassandraTls settings)
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
            }
        }
        catch (Exception wrong) when (wrong is CryptographicException or IOException or UnauthorizedAccessException)
        {
            throw new CqlAuthenticationException(
                $"The TLS files for Cassandra cannot be used (ca-file '{settings.CaFile}', certificate-file '{settings.CertificateFile}', key-file '{settings.KeyFile}'): {wrong.Message}", wrong);
        }
    }

    /// <exception cref="CqlAuthenticationException">The handshake failed.</exception>
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
                    ClientCertificates = _certificate is null ? null : [_certificate],
                    RemoteCertificateValidationCallback = (_, certificate, _, errors) =>
                        Accepts(certificate, errors, out refusal),
                },
                cancellationToken);
            return tls;
        }
        catch (Exception failed) when (failed is AuthenticationException or IOException)
        {
            await tls.DisposeAsync();
            throw new CqlAuthenticationException(
                $"The TLS handshake with {node} failed: {(refusal.Length > 0 ? refusal : failed.Message)} Check that the node asks for TLS, and ecomstream.store.cassandra.tls.",
                failed);
        }
    }

    public void Dispose() => _certificate?.Dispose();

    private bool Accepts(X509Certificate? certificate, SslPolicyErrors errors, out string refusal)
    {
        refusal = "";
        if (certificate is not X509Certificate2 node)
        {
            refusal = "the node shows no certificate.";
            return false;
        }

        if (_settings.VerifyHost && errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch))
        {
            refusal = $"its certificate ({node.Subject}) is for another host.";
            return false;
        }

        if (_trusted is null)
        {
            refusal = errors.HasFlag(SslPolicyErrors.RemoteCertificateChainErrors)
                ? $"its certificate ({node.Subject}) is not trusted by this machine; give its authority as ca-file."
                : "";
            return refusal.Length == 0;
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        chain.ChainPolicy.CustomTrustStore.AddRange(_trusted);
        if (chain.Build(node))
        {
            return true;
        }

        refusal = $"its certificate ({node.Subject}) does not lead to {_settings.CaFile}: {string.Join(", ", chain.ChainStatus.Select(s => s.Status))}.";
        return false;
    }
}
