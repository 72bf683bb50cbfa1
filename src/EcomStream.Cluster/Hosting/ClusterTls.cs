using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using Akka.Configuration;
using Akka.Remote.Transport.DotNetty;

namespace EcomStream.Cluster;

/// <summary>Encryption between nodes, with a certificate on both sides.</summary>
/// <param name="CertificateFile">PEM file of this node's certificate.</param>
/// <param name="KeyFile">PEM file of its key; empty where the certificate's file has it.</param>
/// <param name="CaFile">PEM file of the authority that has signed the certificates of all nodes.</param>
/// <param name="VerifyHost">Whether a node's certificate must carry the host by which it is reached.</param>
public sealed record ClusterTls(string CertificateFile, string KeyFile, string CaFile, bool VerifyHost)
{
    /// <summary>The setup of Akka.Remote.</summary>
    /// <exception cref="ConfigurationException">A file is missing or is not what it must be.</exception>
    public DotNettySslSetup ToSetup()
    {
        try
        {
            using var pem = X509Certificate2.CreateFromPemFile(CertificateFile, KeyFile.Length > 0 ? KeyFile : null);

            // SslStream needs a key that is not ephemeral on some systems.
            var certificate = X509CertificateLoader.LoadPkcs12(pem.Export(X509ContentType.Pkcs12), null);
            var authorities = new PrivateAuthorities(CaFile);
            return new DotNettySslSetup(
                certificate, suppressValidation: false, requireMutualAuthentication: true, VerifyHost, (peer, _, _, errors, _) => authorities.Trust(peer, errors, VerifyHost));
        }
        catch (Exception wrong) when (wrong is IOException or UnauthorizedAccessException or CryptographicException)
        {
            throw new ConfigurationException(
                $"ecomstream.cluster.tls: the certificate {CertificateFile}, its key or the authority {CaFile} cannot be read: {wrong.Message}", wrong);
        }
    }
}
