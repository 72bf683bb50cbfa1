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
    /// A row is rejected only where it alone is at fault. Everything else is mended by somebody and tried again until then:
    /// otherwise a guardrail or a missing permission would dead-letter every row.
    /// </summary>
    /// <param name="failed">What went wrong.</param>
    /// <param name="isRowAtFault">Whether the server refuses what is in the rows, and accepts others.</param>
    /// <param name="settings">The settings.</param>
    public static Exception OfWrite(CqlFault failed, bool isRowAtFault, CassandraSettings settings) =>
        isRowAtFault
            ? new StoreRejectedException($"Writing to Cassandra: {failed.Message}", failed)
            : Unavailable("Writing to", failed, settings);

    public static Exception OfRead(CqlFault failed, CassandraSettings settings) => Unavailable("Reading", failed, settings);

    private static StoreUnavailableException Unavailable(string doing, CqlFault failed, CassandraSettings settings) =>
        new($"{doing} Cassandra at {Where(settings)}: {failed.Message}{Hint(failed)}", failed);

    // The key of the setting that is at fault, as the configuration file has it.
    private static string Hint(CqlFault failed) =>
        failed.Setting is { } property ? $" ({Section}.{WordStart().Replace(property, "-").ToLowerInvariant()})"
        : failed.ServerMessage.Contains("timestamp", StringComparison.OrdinalIgnoreCase) && failed.ServerMessage.Contains("uardrail", StringComparison.Ordinal)
            ? $" Write timestamps are those of the messages plus {Section}.write-timestamp-offset; see docs/migrating.md."
        : "";

    private static string Where(CassandraSettings settings) => string.Join(", ", settings.ContactPoints);

    [GeneratedRegex("(?<=[a-z])(?=[A-Z])")]
    private static partial Regex WordStart();
}
