using System.Net.Security;
using System.Security.Cryptography.X509Certificates;

namespace EcomStream.Cluster;

/// <summary>Certificate authorities of a file, which are trusted instead of the machine's.</summary>
internal sealed class PrivateAuthorities
{
    private readonly X509Certificate2Collection _authorities = [];

    /// <summary>Reads them.</summary>
    /// <param name="file">A PEM file.</param>
    /// <exception cref="IOException">It cannot be read.</exception>
    /// <exception cref="System.Security.Cryptography.CryptographicException">It holds no certificate.</exception>
    public PrivateAuthorities(string file) => _authorities.ImportFromPemFile(file);

    /// <summary>Whether one of them has signed the certificate of a peer. Revocation is not checked.</summary>
    /// <param name="certificate">The certificate; null for none.</param>
    /// <param name="errors">What the handshake has found.</param>
    /// <param name="verifyHost">Whether the certificate must carry the host by which the peer was reached.</param>
    public bool Trust(X509Certificate2? certificate, SslPolicyErrors errors, bool verifyHost)
    {
        if (certificate is null || (verifyHost && errors.HasFlag(SslPolicyErrors.RemoteCertificateNameMismatch)))
        {
            return false;
        }

        using var chain = new X509Chain();
        chain.ChainPolicy.TrustMode = X509ChainTrustMode.CustomRootTrust;
        chain.ChainPolicy.CustomTrustStore.AddRange(_authorities);
        chain.ChainPolicy.RevocationMode = X509RevocationMode.NoCheck;
        return chain.Build(certificate);
    }
}
