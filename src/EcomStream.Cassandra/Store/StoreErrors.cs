using System.Text.RegularExpressions;
using EcomStream.Cassandra.Schema;
using EcomStream.Cassandra.Seam;
using EcomStream.Core;

namespace EcomStream.Cassandra;

/// <summary>What goes wrong between the store and Cassandra, as the port's exceptions.</summary>
internal static partial class StoreErrors
{
    private const string Section = "ecomstream.store.cassandra";

    /// <summary>The schema of some settings.</summary>
    /// <exception cref="StoreRejectedException">A name in the settings is not valid in CQL.</exception>
    public static CassandraSchema Schema(CassandraSettings settings)
    {
        try
        {
            return new CassandraSchema(settings);
        }
        catch (CqlFault wrong)
        {
            throw new StoreRejectedException(wrong.Message, wrong);
        }
    }

    /// <summary>At the start, what waiting does not mend is reported at once.</summary>
    public static Exception AtStart(CqlFault failed, CassandraSettings settings) =>
        failed.Kind == FaultKind.Unavailable
            ? Unavailable("Opening", failed, settings)
            : new StoreRejectedException($"Opening Cassandra at {Where(settings)}: {failed.Message}{Hint(failed)}", failed);

    /// <summary>
    /// Of the errors of a write, only one means that the data is at fault: everything else is mended by somebody and
    /// tried again until then, or a wrong permission would dead-letter every row.
    /// </summary>
    public static Exception OfWrite(CqlFault failed, CassandraSettings settings) =>
        failed.Kind == FaultKind.Invalid && !IsAboutSchema(failed.ServerMessage)
            ? new StoreRejectedException($"Writing to Cassandra: {failed.Message}", failed)
            : Unavailable("Writing to", failed, settings);

    public static Exception OfRead(CqlFault failed, CassandraSettings settings) => Unavailable("Reading", failed, settings);

    private static StoreUnavailableException Unavailable(string doing, CqlFault failed, CassandraSettings settings) =>
        new($"{doing} Cassandra at {Where(settings)}: {failed.Message}{Hint(failed)}", failed);

    // The key of the setting that is at fault, as the configuration file has it.
    private static string Hint(CqlFault failed) =>
        failed.Setting is { } property ? $" ({Section}.{WordStart().Replace(property, "-").ToLowerInvariant()})" : "";

    // A table that was dropped is the operator's to make again ('ecomstream schema apply').
    private static bool IsAboutSchema(string message) =>
        message.Contains("unconfigured table", StringComparison.OrdinalIgnoreCase)
        || message.Contains("does not exist", StringComparison.OrdinalIgnoreCase)
        || message.Contains("Undefined column", StringComparison.OrdinalIgnoreCase);

    private static string Where(CassandraSettings settings) => string.Join(", ", settings.ContactPoints);

    [GeneratedRegex("(?<=[a-z])(?=[A-Z])")]
    private static partial Regex WordStart();
}
