using System.Net;

namespace EcomStream.Cql;

/// <summary>What an ERROR message can say (native_protocol_v5.spec, section 9).</summary>
public enum CqlErrorCode
{
    /// <summary>A bug of the server.</summary>
    ServerError = 0x0000,

    /// <summary>The client broke the protocol.</summary>
    ProtocolError = 0x000A,

    /// <summary>
    /// Wrong credentials, which is a <see cref="CqlAuthenticationException"/>; or, here, a node that cannot check them now.
    /// </summary>
    BadCredentials = 0x0100,

    /// <summary>Too few replicas are alive.</summary>
    Unavailable = 0x1000,

    /// <summary>The coordinator has too much to do.</summary>
    Overloaded = 0x1001,

    /// <summary>The coordinator is joining the ring.</summary>
    IsBootstrapping = 0x1002,

    /// <summary>A truncation failed.</summary>
    TruncateError = 0x1003,

    /// <summary>Too few replicas confirmed a write in time.</summary>
    WriteTimeout = 0x1100,

    /// <summary>Too few replicas answered a read in time.</summary>
    ReadTimeout = 0x1200,

    /// <summary>A replica failed to read.</summary>
    ReadFailure = 0x1300,

    /// <summary>A user-defined function failed.</summary>
    FunctionFailure = 0x1400,

    /// <summary>A replica failed to write.</summary>
    WriteFailure = 0x1500,

    /// <summary>The space for change data capture is used up.</summary>
    CdcWriteFailure = 0x1600,

    /// <summary>It is not known whether a conditional update was applied.</summary>
    CasWriteUnknown = 0x1700,

    /// <summary>The CQL is wrong.</summary>
    SyntaxError = 0x2000,

    /// <summary>The role may not do this.</summary>
    Unauthorized = 0x2100,

    /// <summary>The CQL is right, but cannot be carried out.</summary>
    Invalid = 0x2200,

    /// <summary>The server's configuration does not allow it.</summary>
    ConfigError = 0x2300,

    /// <summary>The keyspace or table exists.</summary>
    AlreadyExists = 0x2400,

    /// <summary>The node does not know the prepared statement.</summary>
    Unprepared = 0x2500,
}

/// <summary>What the codes mean for a request.</summary>
internal static class CqlErrorCodes
{
    /// <summary>Whether the same request, which must be idempotent, may succeed on another node or later.</summary>
    public static bool IsRetryable(CqlErrorCode code) => code is CqlErrorCode.ServerError or CqlErrorCode.BadCredentials or CqlErrorCode.Unavailable or CqlErrorCode.Overloaded
        or CqlErrorCode.IsBootstrapping or CqlErrorCode.TruncateError or CqlErrorCode.WriteTimeout or CqlErrorCode.ReadTimeout
        or CqlErrorCode.ReadFailure or CqlErrorCode.WriteFailure or CqlErrorCode.CdcWriteFailure or CqlErrorCode.Unprepared;
}

/// <summary>A node answered with an ERROR.</summary>
public class CqlServerException : CqlException
{
    internal CqlServerException(CqlErrorCode code, string node, string text)
        : base($"{node} answered {code} (0x{(int)code:x4}): {text}")
    {
        Code = code;
        Node = node;
        ServerMessage = text;
    }

    /// <summary>The kind of error.</summary>
    public CqlErrorCode Code { get; }

    /// <summary>Address and port of the node that answered.</summary>
    public string Node { get; }

    /// <summary>The server's own words.</summary>
    public string ServerMessage { get; }

    /// <inheritdoc/>
    public override bool IsRetryable => CqlErrorCodes.IsRetryable(Code);
}

/// <summary>Too few replicas are alive for the consistency level.</summary>
public sealed class CqlUnavailableException : CqlServerException
{
    internal CqlUnavailableException(string node, string text, Consistency consistency, int required, int alive)
        : base(CqlErrorCode.Unavailable, node, text) =>
        (Consistency, Required, Alive) = (consistency, required, alive);

    /// <summary>The level that the request asked for.</summary>
    public Consistency Consistency { get; }

    /// <summary>Replicas that it needs.</summary>
    public int Required { get; }

    /// <summary>Replicas that the coordinator knew to be alive.</summary>
    public int Alive { get; }
}

/// <summary>Too few replicas answered, in time (timeout) or without an error of their own (failure).</summary>
public sealed class CqlReplicasException : CqlServerException
{
    internal CqlReplicasException(CqlErrorCode code, string node, string text, Consistency consistency, int received, int required)
        : base(code, node, text) =>
        (Consistency, Received, Required) = (consistency, received, required);

    /// <summary>The level that the request asked for.</summary>
    public Consistency Consistency { get; }

    /// <summary>Replicas that answered.</summary>
    public int Received { get; }

    /// <summary>Replicas whose answer it needs.</summary>
    public int Required { get; }

    /// <summary>SIMPLE, BATCH, UNLOGGED_BATCH, COUNTER, BATCH_LOG, CAS, VIEW or CDC for a write; null for a read.</summary>
    public string? WriteType { get; init; }

    /// <summary>For a read: whether the replica that was asked for the data, not for a digest, answered.</summary>
    public bool DataPresent { get; init; }

    /// <summary>Why each replica failed, by address; empty for a timeout and before protocol v5.</summary>
    public IReadOnlyDictionary<IPAddress, int> Reasons { get; init; } = new Dictionary<IPAddress, int>();
}

/// <summary>A user-defined function failed.</summary>
public sealed class CqlFunctionException : CqlServerException
{
    internal CqlFunctionException(string node, string text, string function)
        : base(CqlErrorCode.FunctionFailure, node, text) =>
        Function = function;

    /// <summary>keyspace.name(argument types).</summary>
    public string Function { get; }
}

/// <summary>The keyspace or table that was to be made exists.</summary>
public sealed class CqlAlreadyExistsException : CqlServerException
{
    internal CqlAlreadyExistsException(string node, string text, string keyspace, string table)
        : base(CqlErrorCode.AlreadyExists, node, text) =>
        (Keyspace, Table) = (keyspace, table);

    /// <summary>The keyspace.</summary>
    public string Keyspace { get; }

    /// <summary>The table; empty when it is the keyspace that exists.</summary>
    public string Table { get; }
}

/// <summary>The node has forgotten, or never known, a prepared statement.</summary>
public sealed class CqlUnpreparedException : CqlServerException
{
    internal CqlUnpreparedException(string node, string text, byte[] id)
        : base(CqlErrorCode.Unprepared, node, text) =>
        Id = id;

    /// <summary>The statement's id.</summary>
    public IReadOnlyList<byte> Id { get; }
}
