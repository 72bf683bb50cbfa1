using System.Net.Sockets;
using Cassandra;
using EcomStream.Cassandra.Seam;
using EcomStream.Cql;
using EcomStream.Cql.Protocol;

namespace EcomStream.DataStax;

/// <summary>The driver's exceptions as faults. It has one type for each error code of the protocol.</summary>
internal static class DriverFaults
{
    /// <summary>The fault of an exception; null for one that does not come from the driver.</summary>
    /// <param name="error">What the driver threw.</param>
    /// <param name="operation">What was done, such as "write facts".</param>
    public static CqlFault? Of(Exception error, string operation) => error switch
    {
        CqlFault fault => fault,
        NoHostAvailableException { Errors: var tried } => OfHosts((NoHostAvailableException)error, [.. tried.Values], operation),
        AuthenticationException refused => OfLogin(refused),
        DriverException known when Code(known) is { } code => FaultKinds.OfServer(code, operation, known.Message, known),

        // No connection, no answer in time, or too many requests.
        DriverException => new CqlFault(FaultKind.Unavailable, $"{operation}: {error.Message}", error),
        SocketException => new CqlFault(FaultKind.Unavailable, $"{operation}: {error.Message}", error),
        CqlException native => new CqlFault(native.IsRetryable ? FaultKind.Unavailable : FaultKind.Denied, native.Message, native) { Setting = native.Setting },

        // DCAwareRoundRobinPolicy, of a datacenter that the cluster does not have.
        ArgumentException wrong when wrong.Message.Contains("atacenter", StringComparison.Ordinal) =>
            new CqlFault(FaultKind.Denied, wrong.Message, wrong) { Setting = nameof(CqlSettings.LocalDatacenter) },
        _ => null,
    };

    /// <summary>The fault of an exception at the start, with what to check.</summary>
    /// <param name="error">What the driver threw.</param>
    /// <param name="tls">The TLS of the connections; null for none.</param>
    public static CqlFault? AtStart(Exception error, TlsHandshake? tls)
    {
        const string Operation = "connect";
        if (error is not NoHostAvailableException { Errors: var tried } || Of(error, Operation) is not { Setting: null or nameof(CqlSettings.Tls) } fault)
        {
            return Of(error, Operation);
        }

        if (fault.Setting is not null)
        {
            var (node, refused) = tried.First(host => Has<System.Security.Authentication.AuthenticationException>([host.Value]));
            var why = tls is { LastRefusal.Length: > 0 } ? tls.LastRefusal : refused.GetBaseException().Message;
            return new CqlFault(fault.Kind, TlsHandshake.Failed(node.ToString(), why), error) { Setting = fault.Setting };
        }

        if (!tried.Values.Any(WasAccepted))
        {
            return fault;
        }

        var (hint, setting) = StartUp.WhyClosed(tls is not null);
        return new CqlFault(fault.Kind, $"{fault.Message} {hint}", error) { Setting = setting };
    }

    private static CqlFault OfHosts(NoHostAvailableException error, Exception?[] tried, string operation)
    {
        // Every node refuses wrong credentials, and no other node could accept them.
        if (tried.OfType<AuthenticationException>().FirstOrDefault() is { } refused)
        {
            return OfLogin(refused);
        }

        var setting = Has<System.Security.Authentication.AuthenticationException>(tried) ? nameof(CqlSettings.Tls) : null;
        return new CqlFault(setting is null ? FaultKind.Unavailable : FaultKind.Denied, $"{operation}: {error.Message}", error) { Setting = setting };
    }

    private static CqlFault OfLogin(AuthenticationException refused) =>
        new(FaultKind.Denied, $"{refused.Host} rejected the credentials: {refused.Message} Check Username and Password.", refused)
        {
            ServerMessage = refused.Message,
            Setting = nameof(CqlSettings.Username),
        };

    // The connection was there and was lost, and not because of a silent node.
    private static bool WasAccepted(Exception error) =>
        error.GetBaseException() is SocketException { SocketErrorCode: SocketError.NotConnected or SocketError.ConnectionReset or SocketError.Shutdown };

    private static bool Has<T>(Exception?[] errors)
        where T : Exception =>
        errors.Any(error =>
        {
            for (; error is not null; error = error.InnerException)
            {
                if (error is T)
                {
                    return true;
                }
            }

            return false;
        });

    private static CqlErrorCode? Code(DriverException error) => error switch
    {
        ServerErrorException => CqlErrorCode.ServerError,
        ProtocolErrorException => CqlErrorCode.ProtocolError,
        UnavailableException => CqlErrorCode.Unavailable,
        OverloadedException => CqlErrorCode.Overloaded,
        IsBootstrappingException => CqlErrorCode.IsBootstrapping,
        TruncateException => CqlErrorCode.TruncateError,
        WriteTimeoutException => CqlErrorCode.WriteTimeout,
        ReadTimeoutException => CqlErrorCode.ReadTimeout,
        ReadFailureException => CqlErrorCode.ReadFailure,
        WriteFailureException => CqlErrorCode.WriteFailure,
        FunctionFailureException => CqlErrorCode.FunctionFailure,
        SyntaxError => CqlErrorCode.SyntaxError,
        UnauthorizedException => CqlErrorCode.Unauthorized,

        // Before the type that it derives from.
        InvalidConfigurationInQueryException => CqlErrorCode.ConfigError,
        InvalidQueryException => CqlErrorCode.Invalid,
        AlreadyExistsException => CqlErrorCode.AlreadyExists,
        PreparedQueryNotFoundException => CqlErrorCode.Unprepared,
        _ => null,
    };
}
