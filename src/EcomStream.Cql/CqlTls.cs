namespace EcomStream.Cql;

/// <summary>TLS to the nodes.</summary>
public sealed record CqlTls
{
    /// <summary>PEM file with the certificates to trust; empty for the machine's own.</summary>
    public string CaFile { get; init; } = "";

    /// <summary>PEM file with the client's certificate, and those between it and its authority behind it; empty for none.</summary>
    public string CertificateFile { get; init; } = "";

    /// <summary>PEM file with the client's private key; empty when it is in <see cref="CertificateFile"/>.</summary>
    public string KeyFile { get; init; } = "";

    /// <summary>Whether the node's certificate must carry the host that it was reached by.</summary>
    public bool VerifyHost { get; init; } = true;
}
