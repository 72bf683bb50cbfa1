using System.Net;

namespace EcomStream.Cql.Protocol;

/// <summary>The body of an ERROR as an exception (native_protocol_v5.spec, section 9).</summary>
internal static class ErrorDecoder
{
    public static CqlException Decode(ReadOnlySpan<byte> body, byte version, string node)
    {
        var reader = new ByteReader(body);
        var code = (CqlErrorCode)reader.Int();
        var text = reader.String();
        return code switch
        {
            // A node that cannot read the roles now says so with the same code.
            CqlErrorCode.BadCredentials when !text.StartsWith("Unable to perform", StringComparison.Ordinal) => new CqlAuthenticationException(
                $"{node} rejected the credentials: {text} Check Username and Password.") { Setting = nameof(CqlSettings.Username) },
            CqlErrorCode.Unavailable => new CqlUnavailableException(node, text, (Consistency)reader.Short(), reader.Int(), reader.Int()),
            CqlErrorCode.WriteTimeout or CqlErrorCode.ReadTimeout or CqlErrorCode.WriteFailure or CqlErrorCode.ReadFailure
                or CqlErrorCode.CasWriteUnknown => Replicas(ref reader, code, version, node, text),
            CqlErrorCode.FunctionFailure => new CqlFunctionException(
                node, text, $"{reader.String()}.{reader.String()}({string.Join(", ", reader.StringList())})"),
            CqlErrorCode.AlreadyExists => new CqlAlreadyExistsException(node, text, reader.String(), reader.String()),
            CqlErrorCode.Unprepared => new CqlUnpreparedException(node, text, reader.ShortBytes()),
            _ => new CqlServerException(code, node, text),
        };
    }

    private static CqlReplicasException Replicas(ref ByteReader reader, CqlErrorCode code, byte version, string node, string text)
    {
        var (consistency, received, required) = ((Consistency)reader.Short(), reader.Int(), reader.Int());
        var reasons = new Dictionary<IPAddress, int>();
        if (code is CqlErrorCode.WriteFailure or CqlErrorCode.ReadFailure)
        {
            // Before v5 it is only the number of failed replicas.
            for (var left = reader.Int(); left > 0 && version >= 5; left--)
            {
                reasons[reader.InetAddress()] = reader.Short();
            }
        }

        return new CqlReplicasException(code, node, text, consistency, received, required)
        {
            WriteType = code is CqlErrorCode.WriteTimeout or CqlErrorCode.WriteFailure ? reader.String() : null,
            DataPresent = code is CqlErrorCode.ReadTimeout or CqlErrorCode.ReadFailure && reader.Byte() != 0,
            Reasons = reasons,
        };
    }
}
