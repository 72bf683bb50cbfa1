using System.Text.RegularExpressions;
using EcomStream.Cassandra.Seam;

namespace EcomStream.Cassandra.Schema;

/// <summary>
/// The schema that EcomStream needs, read from <c>cassandra_table_syntax.cql</c>, for the keyspace, tables and
/// replication of some settings; and what of it a cluster has.
/// </summary>
internal sealed partial class CassandraSchema
{
    private const string Resource = "EcomStream.Cassandra.cassandra_table_syntax.cql";

    private readonly CassandraSettings _settings;

    /// <exception cref="CqlFault">A name is not valid in CQL without quotes.</exception>
    public CassandraSchema(CassandraSettings settings)
    {
        foreach (var name in new[] { settings.Keyspace, settings.FactsTable, settings.UnmatchedTable, ListingTable(settings), settings.OwnersTable })
        {
            if (!Identifier().IsMatch(name))
            {
                throw new CqlFault(
                    FaultKind.Denied,
                    $"'{name}' is not a valid name of a keyspace or table: it must begin with a lower-case letter, contain only lower-case letters, digits and underscores, and have at most 48 characters.");
            }
        }

        _settings = settings;
        using var stream = typeof(CassandraSchema).Assembly.GetManifestResourceStream(Resource)
            ?? throw new InvalidOperationException($"The resource {Resource} is missing.");
        using var reader = new StreamReader(stream);
        Text = WithReplication().Replace(
            reader.ReadToEnd()
                .Replace("ecom_store.orders_payments_facts", $"{settings.Keyspace}.{settings.FactsTable}", StringComparison.Ordinal)
                .Replace("ecom_store.unmatched_payments", $"{settings.Keyspace}.{settings.UnmatchedTable}", StringComparison.Ordinal)
                .Replace("ecom_store.subscription_owners", $"{settings.Keyspace}.{settings.OwnersTable}", StringComparison.Ordinal)
                .Replace("\r\n", "\n", StringComparison.Ordinal)
                .Replace("EXISTS ecom_store\n", $"EXISTS {settings.Keyspace}\n", StringComparison.Ordinal),
            match => settings.Replication.Length > 0 ? $"WITH replication = {settings.Replication};" : match.Value);
    }

    /// <summary>The name of the table that lists unmatched payments by time, for those of some settings.</summary>
    public static string ListingTable(CassandraSettings settings) => $"{settings.UnmatchedTable}_by_time";

    /// <summary>All of it, as CQL with its comments.</summary>
    public string Text { get; }

    /// <summary>Its statements, in order.</summary>
    public IReadOnlyList<string> Statements =>
        [.. Comment().Replace(Text, "").Split(';', StringSplitOptions.TrimEntries | StringSplitOptions.RemoveEmptyEntries)];

    private bool IsOptional(string table) => table == _settings.OwnersTable || table == ListingTable(_settings);

    private IEnumerable<TableDefinition> Tables => Statements.Where(IsTable).Select(TableDefinition.Parse);

    /// <summary>
    /// What the cluster lacks or has otherwise of what a store needs, one line each; empty when all is as it should be.
    /// </summary>
    /// <param name="client">The client.</param>
    /// <param name="cancellationToken">Cancels the call.</param>
    /// <param name="requiredOnly">Whether the tables without which a store runs, those of owners and listings, are left out.</param>
    public async Task<IReadOnlyList<string>> DifferencesAsync(
        ICqlClient client, CancellationToken cancellationToken, bool requiredOnly = false)
    {
        if (!await HasKeyspaceAsync(client, cancellationToken))
        {
            return [$"the keyspace {_settings.Keyspace} is missing"];
        }

        var differences = new List<string>();
        foreach (var expected in Tables.Where(table => !requiredOnly || !IsOptional(table.Name)))
        {
            var actual = await ReadAsync(client, expected.Name, cancellationToken);
            differences.AddRange(actual is null ? [$"the table {_settings.Keyspace}.{expected.Name} is missing"] : expected.Differences(actual));
        }

        return differences;
    }

    /// <summary>
    /// How the keyspace's replication differs from the settings', a line; empty when it does not, or is missing. A store
    /// runs on any: whoever made the keyspace may have chosen another.
    /// </summary>
    public async Task<IReadOnlyList<string>> ReplicationDifferencesAsync(ICqlClient client, CancellationToken cancellationToken)
    {
        var (expected, actual) = (KeyspaceReplication.Parse(_settings.Replication), await ReplicationAsync(client, cancellationToken));
        return _settings.Replication.Length == 0 || actual.Options.Count == 0 || expected.Gives(actual)
            ? []
            : [$"the keyspace {_settings.Keyspace} has the replication {actual}, and the settings ask for {expected}: ALTER KEYSPACE and a repair change it"];
    }

    /// <summary>
    /// Why reads at the settings' consistency may miss what was written at it, a line; empty where they cannot. A store
    /// does not run so: a payment that displaces one which the read missed would lose it.
    /// </summary>
    public async Task<IReadOnlyList<string>> MissedReadsAsync(ICqlClient client, CancellationToken cancellationToken)
    {
        var replication = await ReplicationAsync(client, cancellationToken);
        return replication.MissedBy(_settings.Consistency, _settings.LocalDatacenter) is var (replicas, confirming)
            ? [$"the keyspace {_settings.Keyspace} has {replicas} replicas of each row, and with consistency = {_settings.Consistency} only {confirming} of them confirm a write or answer a read: a read may miss what was just written, and payments could be lost. Set consistency to local-quorum"]
            : [];
    }

    /// <summary>What a store runs with but what may lose data, one line each.</summary>
    public async Task<IReadOnlyList<string>> WarningsAsync(ICqlClient client, CancellationToken cancellationToken)
    {
        var warnings = new List<string>();
        foreach (var table in Tables)
        {
            var rows = await client.ExecuteAsync(
                $"SELECT default_time_to_live FROM system_schema.tables WHERE keyspace_name = '{_settings.Keyspace}' AND table_name = '{table.Name}'",
                cancellationToken);
            if (rows.Next() && rows.Int32OrNull(0) is { } seconds and > 0)
            {
                warnings.Add(
                    $"the table {_settings.Keyspace}.{table.Name} has default_time_to_live = {seconds}: its rows vanish after {seconds} s (ALTER TABLE ... WITH default_time_to_live = 0)");
            }
        }

        return warnings;
    }

    /// <summary>
    /// Creates what is missing, and nothing else: a role may be allowed to create tables, but no keyspace. Where another
    /// process creates the same at the same time, losing that race is not an error.
    /// </summary>
    /// <exception cref="CqlFault">It was refused, or the keyspace is missing and the settings have no replication.</exception>
    public async Task ApplyAsync(ICqlClient client, CancellationToken cancellationToken)
    {
        foreach (var statement in Statements)
        {
            if (await IsThereAsync(client, statement, cancellationToken))
            {
                continue;
            }

            if (!IsTable(statement) && _settings.Replication.Length == 0)
            {
                throw new CqlFault(
                    FaultKind.Denied,
                    $"The keyspace {_settings.Keyspace} does not exist, and it is created only with an explicit replication. Check its name, or set Replication, such as {{'class': 'NetworkTopologyStrategy', 'dc1': 3}}.")
                {
                    Setting = nameof(CassandraSettings.Replication),
                };
            }

            try
            {
                await client.ExecuteAsync(statement, cancellationToken);
            }
            catch (CqlFault lost) when (lost.Kind != FaultKind.Unavailable)
            {
                if (!await IsThereAsync(client, statement, cancellationToken))
                {
                    throw;
                }
            }
        }

        await AddColumnsAsync(client, cancellationToken);
    }

    /// <summary>Whether the keyspace has a table.</summary>
    public async Task<bool> HasTableAsync(ICqlClient client, string table, CancellationToken cancellationToken) =>
        await ReadAsync(client, table, cancellationToken) is not null;

    private async Task<bool> IsThereAsync(ICqlClient client, string statement, CancellationToken cancellationToken) =>
        IsTable(statement)
            ? await HasTableAsync(client, TableDefinition.Parse(statement).Name, cancellationToken)
            : await HasKeyspaceAsync(client, cancellationToken);

    // A table of unmatched payments that an earlier version made lacks the newer columns. The facts are others' too:
    // nothing is added to them.
    private async Task AddColumnsAsync(ICqlClient client, CancellationToken cancellationToken)
    {
        var expected = Tables.Single(table => table.Name == _settings.UnmatchedTable);
        if (await ReadAsync(client, expected.Name, cancellationToken) is not { } actual)
        {
            return;
        }

        foreach (var column in expected.Columns.Where(column => column.Kind == "regular").ExceptBy(actual.Columns.Select(c => c.Name), column => column.Name))
        {
            try
            {
                await client.ExecuteAsync(
                    $"ALTER TABLE {_settings.Keyspace}.{expected.Name} ADD {column.Name} {column.Type}", cancellationToken);
            }
            catch (CqlFault refused) when (refused.Kind == FaultKind.Invalid)
            {
                // Another process has just added it; what is missing all the same is a difference.
            }
        }
    }

    private async Task<TableDefinition?> ReadAsync(ICqlClient client, string table, CancellationToken cancellationToken)
    {
        var rows = await client.ExecuteAsync(
            $"SELECT column_name, type, kind, position FROM system_schema.columns WHERE keyspace_name = '{_settings.Keyspace}' AND table_name = '{table}'",
            cancellationToken);
        var columns = new List<ColumnDefinition>();
        while (rows.Next())
        {
            columns.Add(new ColumnDefinition(rows.TextOrNull(0)!, rows.TextOrNull(1)!, rows.TextOrNull(2)!, rows.Int32OrNull(3)!.Value));
        }

        return columns.Count == 0 ? null : new TableDefinition(table, columns);
    }

    private async Task<bool> HasKeyspaceAsync(ICqlClient client, CancellationToken cancellationToken) =>
        (await ReplicationAsync(client, cancellationToken)).Options.Count > 0;

    private async Task<KeyspaceReplication> ReplicationAsync(ICqlClient client, CancellationToken cancellationToken)
    {
        var rows = await client.ExecuteAsync(
            $"SELECT replication FROM system_schema.keyspaces WHERE keyspace_name = '{_settings.Keyspace}'", cancellationToken);
        return new KeyspaceReplication(rows.Next() ? rows.Map(0) : new Dictionary<string, string>());
    }

    private static bool IsTable(string statement) => statement.StartsWith("CREATE TABLE", StringComparison.Ordinal);

    [GeneratedRegex("^[a-z][a-z0-9_]{0,47}$")]
    private static partial Regex Identifier();

    [GeneratedRegex(@"WITH replication = \{[^}]*\};")]
    private static partial Regex WithReplication();

    [GeneratedRegex(@"--[^\n]*")]
    private static partial Regex Comment();
}
