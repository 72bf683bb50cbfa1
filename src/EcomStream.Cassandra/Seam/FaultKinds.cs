using EcomStream.Cql;

namespace EcomStream.Cassandra.Seam;

/// <summary>What the errors of a node mean, whichever client received them.</summary>
internal static class FaultKinds
{
    /// <summary>The kind of an error code.</summary>
    public static FaultKind Of(CqlErrorCode code) => code switch
    {
        _ when CqlErrorCodes.IsRetryable(code) => FaultKind.Unavailable,

        // A lightweight transaction may have been applied or not. The client does not repeat it; its caller looks and decides.
        CqlErrorCode.CasWriteUnknown => FaultKind.Unavailable,
        CqlErrorCode.Invalid => FaultKind.Invalid,
        _ => FaultKind.Denied,
    };

    /// <summary>An error that a node answered with, in the words that every client uses.</summary>
    /// <param name="code">The code.</param>
    /// <param name="operation">What was done, such as "write facts".</param>
    /// <param name="serverMessage">The server's own words.</param>
    /// <param name="error">The client's exception.</param>
    public static CqlFault OfServer(CqlErrorCode code, string operation, string serverMessage, Exception error) =>
        new(Of(code), $"{operation}: Cassandra answered {code} (0x{(int)code:x4}): {serverMessage}", error) { ServerMessage = serverMessage };
}
