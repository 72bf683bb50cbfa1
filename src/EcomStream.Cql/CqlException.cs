namespace EcomStream.Cql;

/// <summary>Whatever goes wrong between this client and Cassandra. The message says what was tried, and on which node.</summary>
public abstract class CqlException : Exception
{
    private protected CqlException(string message, Exception? innerException = null)
        : base(message, innerException)
    {
    }

    /// <summary>Whether the same request, which must be idempotent, may succeed on another node or later.</summary>
    public virtual bool IsRetryable => false;

    /// <summary>The property of <see cref="CqlSettings"/> to check, such as "Username"; null where no setting is at fault.</summary>
    public string? Setting { get; init; }
}

/// <summary>The server sent what is no native protocol, or a checksum was wrong. The connection is closed.</summary>
public sealed class CqlProtocolException(string message) : CqlException(message)
{
    /// <inheritdoc/>
    public override bool IsRetryable => true;
}

/// <summary>A connection could not be made, or was lost while a request was under way.</summary>
public sealed class CqlConnectionException(string message, Exception? innerException = null) : CqlException(message, innerException)
{
    /// <inheritdoc/>
    public override bool IsRetryable => true;
}

/// <summary>A node did not answer in time.</summary>
public sealed class CqlTimeoutException(string message) : CqlException(message)
{
    /// <inheritdoc/>
    public override bool IsRetryable => true;
}

/// <summary>The server refused the TLS handshake or the credentials, or is not who it should be.</summary>
public sealed class CqlAuthenticationException(string message, Exception? innerException = null) : CqlException(message, innerException);

/// <summary>No node took the request.</summary>
public sealed class CqlNoNodeException : CqlException
{
    internal CqlNoNodeException(string request, IReadOnlyList<(string Node, Exception Error)> tried)
        : base(
            tried.Count == 0
                ? $"{request}: no node of Cassandra is connected."
                : $"{request}: no Cassandra node executed it. Tried {string.Join("; ", tried.Select(t => $"{t.Node}: {t.Error.Message}"))}",
            tried.Count == 0 ? null : tried[^1].Error)
    {
        Tried = tried;
        Setting = tried.Select(t => (t.Error as CqlException)?.Setting).FirstOrDefault(setting => setting is not null);
    }

    /// <summary>The nodes that were tried, in order, each with what went wrong.</summary>
    public IReadOnlyList<(string Node, Exception Error)> Tried { get; }

    /// <inheritdoc/>
    public override bool IsRetryable => true;
}

/// <summary>A setting does not fit the cluster. The message names the setting.</summary>
public sealed class CqlConfigurationException(string message) : CqlException(message);
