using EcomStream.Cassandra.Seam;
using EcomStream.Cql;

namespace EcomStream.Cassandra.Native;

/// <summary>The exceptions of EcomStream.Cql as faults with a kind.</summary>
internal static class NativeFaults
{
    public static CqlFault Of(CqlException error) => new(KindOf(error), error.Message, error)
    {
        ServerMessage = (error as CqlServerException)?.ServerMessage ?? "",
        Setting = error.Setting,
    };

    /// <summary>Runs a request and turns what goes wrong into faults.</summary>
    public static async Task<T> Catch<T>(Task<T> request)
    {
        try
        {
            return await request;
        }
        catch (CqlException error)
        {
            throw Of(error);
        }
    }

    private static FaultKind KindOf(CqlException error) => error switch
    {
        { IsRetryable: true } => FaultKind.Unavailable,
        CqlServerException server => FaultKinds.Of(server.Code),
        _ => FaultKind.Denied,
    };
}
