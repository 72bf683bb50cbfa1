using EcomStream.Cassandra.Native;
using EcomStream.Cassandra.Schema;
using EcomStream.Cassandra.Seam;
using EcomStream.Cassandra.Tables;
using EcomStream.Core;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.Cassandra;

/// <summary>The schema, for whoever makes or checks it by hand.</summary>
public sealed class CassandraAdmin
{
    private readonly CassandraSettings _settings;
    private readonly Func<CancellationToken, Task<ICqlClient>> _connect;

    /// <summary>Makes it; nothing is connected before it is asked for something.</summary>
    /// <param name="settings">Where Cassandra is, and the names.</param>
    public CassandraAdmin(CassandraSettings settings)
        : this(settings, stop => NativeClient.ConnectAsync(settings, NullLogger.Instance, TimeProvider.System, stop))
    {
    }

    /// <summary>Makes it on another client.</summary>
    internal CassandraAdmin(CassandraSettings settings, Func<CancellationToken, Task<ICqlClient>> connect) =>
        (_settings, _connect) = (settings, connect);

    /// <summary>The schema as CQL, with the settings' names and replication.</summary>
    /// <exception cref="StoreRejectedException">A name in the settings is none that CQL takes.</exception>
    public string Print() => StoreErrors.Schema(_settings).Text;

    /// <summary>What the cluster lacks or has otherwise, one line each; empty when all is as it should be.</summary>
    /// <exception cref="StoreUnavailableException">Cassandra does not answer.</exception>
    /// <exception cref="StoreRejectedException">It refuses.</exception>
    public Task<IReadOnlyList<string>> CheckAsync(CancellationToken cancellationToken) =>
        WithClient(client => DifferencesAsync(StoreErrors.Schema(_settings), client, cancellationToken), cancellationToken);

    /// <summary>Makes what is missing; what is there stays as it is.</summary>
    /// <returns>What still differs.</returns>
    /// <exception cref="StoreUnavailableException">Cassandra does not answer.</exception>
    /// <exception cref="StoreRejectedException">It refuses.</exception>
    public Task<IReadOnlyList<string>> ApplyAsync(CancellationToken cancellationToken) => WithClient(
        async client =>
        {
            var schema = StoreErrors.Schema(_settings);
            await schema.ApplyAsync(client, cancellationToken);
            await ListAllAsync(client, cancellationToken);
            return await DifferencesAsync(schema, client, cancellationToken);
        },
        cancellationToken);

    // Also rows that an earlier version, or a role that may not use the table of listings, has written since it was made.
    private async Task ListAllAsync(ICqlClient client, CancellationToken cancellationToken)
    {
        var unmatched = await PrepareUnmatchedAsync(client, cancellationToken);
        var byTime = await ListingStatements.PrepareAsync(client, $"{_settings.Keyspace}.{CassandraSchema.ListingTable(_settings)}", cancellationToken);
        var rows = new UnmatchedListing(client, unmatched, _settings.PageSize, maxKeys: 0, static _ => { }, static _ => { });
        await ListingBackfill.RunAsync(client, _settings, byTime, rows, TimeProvider.System, cancellationToken);
    }

    private Task<UnmatchedStatements> PrepareUnmatchedAsync(ICqlClient client, CancellationToken cancellationToken) =>
        UnmatchedStatements.PrepareAsync(client, $"{_settings.Keyspace}.{_settings.UnmatchedTable}", cancellationToken);

    // Everything that a run needs: the tables, what may lose data in them, and the permission to use them.
    private async Task<IReadOnlyList<string>> DifferencesAsync(CassandraSchema schema, ICqlClient client, CancellationToken cancellationToken)
    {
        var differences = await schema.DifferencesAsync(client, cancellationToken);
        if (differences.Count > 0)
        {
            return [.. differences, .. await schema.ReplicationDifferencesAsync(client, cancellationToken)];
        }

        return
        [
            .. await schema.MissedReadsAsync(client, cancellationToken),
            .. await schema.WarningsAsync(client, cancellationToken),
            .. await AccessDifferencesAsync(client, cancellationToken),
            .. await schema.ReplicationDifferencesAsync(client, cancellationToken),
        ];
    }

    private async Task<IReadOnlyList<string>> AccessDifferencesAsync(ICqlClient client, CancellationToken cancellationToken)
    {
        try
        {
            await SchemaAccess.CheckAsync(
                client,
                await FactStatements.PrepareAsync(client, $"{_settings.Keyspace}.{_settings.FactsTable}", _settings.WriteTimestampOffset, cancellationToken),
                await PrepareUnmatchedAsync(client, cancellationToken),
                cancellationToken);
            return [];
        }
        catch (CqlFault refused) when (refused.Kind != FaultKind.Unavailable)
        {
            return [$"the role {_settings.Username} may not do what a run does: {refused.Message}"];
        }
    }

    private async Task<T> WithClient<T>(Func<ICqlClient, Task<T>> work, CancellationToken cancellationToken)
    {
        try
        {
            await using var client = await _connect(cancellationToken);
            return await work(client);
        }
        catch (CqlFault failed)
        {
            throw StoreErrors.AtStart(failed, _settings);
        }
    }
}
