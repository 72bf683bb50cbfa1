using EcomStream.Core;

namespace EcomStream.Cassandra;

/// <summary>What goes wrong between the store and Cassandra, as the port's exceptions.</summary>
internal static class StoreErrors
{
    /// <summary>The schema of some settings.</summary>
    /// <exception cref="StoreRejectedException">A name in the settings is none that CQL takes.</exception>
    public static CassandraSchema Schema(CassandraSettings settings)
    {
        try
        {
            return new CassandraSchema(settings);
        }
        catch (CqlConfigurationException wrong)
        {
            throw new StoreRejectedException(wrong.Message, wrong);
        }
    }

    /// <summary>At the start, what no waiting mends must be told at once.</summary>
    public static Exception AtStart(CqlException failed, CassandraSettings settings) =>
        failed.IsRetryable
            ? Unavailable("Opening", failed, settings)
            : new StoreRejectedException($"Opening Cassandra at {Where(settings)}: {failed.Message}", failed);

    /// <summary>
    /// Of the errors of a write, only one means that the data is at fault: everything else is mended by somebody and
    /// tried again until then, or a wrong permission would dead-letter every row.
    /// </summary>
    public static Exception OfWrite(CqlException failed, CassandraSettings settings) =>
        failed is CqlServerException { Code: CqlErrorCode.Invalid } invalid && !IsAboutSchema(invalid.ServerMessage)
            ? new StoreRejectedException($"Writing to Cassandra: {failed.Message}", failed)
            : Unavailable("Writing to", failed, settings);

    public static Exception OfRead(CqlException failed, CassandraSettings settings) => Unavailable("Reading", failed, settings);

    private static StoreUnavailableException Unavailable(string doing, CqlException failed, CassandraSettings settings) =>
        new($"{doing} Cassandra at {Where(settings)}: {failed.Message}", failed);

    // A table that was dropped is the operator's to make again ('ecomstream schema apply').
    private static bool IsAboutSchema(string message) =>
        message.Contains("unconfigured table", StringComparison.OrdinalIgnoreCase)
        || message.Contains("does not exist", StringComparison.OrdinalIgnoreCase)
        || message.Contains("Undefined column", StringComparison.OrdinalIgnoreCase);

    private static string Where(CassandraSettings settings) => string.Join(", ", settings.ContactPoints);
}
