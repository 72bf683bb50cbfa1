namespace EcomStream.Cassandra.Seam;

/// <summary>What a fault means to whoever sent the request.</summary>
internal enum FaultKind
{
    /// <summary>No node answered, too few replicas are alive, or a node is overloaded: the same request may succeed later.</summary>
    Unavailable,

    /// <summary>
    /// The server refused the request as invalid. The values may be at fault, or the system: a guardrail, the schema, a
    /// consistency level that is not allowed.
    /// </summary>
    Invalid,

    /// <summary>The role may not do this, or a setting or the server's configuration does not allow it.</summary>
    Denied,
}

/// <summary>A request to Cassandra failed.</summary>
/// <param name="kind">What that means.</param>
/// <param name="message">What was done, on which node, and the server's own words.</param>
/// <param name="innerException">The client's exception.</param>
internal sealed class CqlFault(FaultKind kind, string message, Exception? innerException = null) : Exception(message, innerException)
{
    /// <summary>What it means.</summary>
    public FaultKind Kind => kind;

    /// <summary>The server's own words alone; empty where no server answered.</summary>
    public string ServerMessage { get; init; } = "";

    /// <summary>The property of the settings that is at fault; null where none is.</summary>
    public string? Setting { get; init; }
}
