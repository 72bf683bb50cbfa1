using EcomStream.Cassandra.Seam;
using EcomStream.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.Cassandra;

/// <content>Which process joins a subscription, and which subscriptions were left with nothing in flight.</content>
public sealed partial class CassandraFactStore : IOwnershipStore, ICleanStopStore
{
    private OwnerRows? _owners;

    // Logged once; null when it was.
    private string? _whyNoOwners;

    /// <inheritdoc/>
    public async ValueTask<SubscriptionOwner?> ClaimAsync(
        string subscription, SubscriptionOwner owner, TimeSpan timeToLive, CancellationToken cancellationToken)
    {
        if (_owners is not { } owners)
        {
            if (Interlocked.Exchange(ref _whyNoOwners, null) is { } why)
            {
                LogNoOwners(_logger, OwnersTable, why);
            }

            return null;
        }

        try
        {
            return await owners.ClaimAsync(subscription, owner, timeToLive, cancellationToken);
        }
        catch (CqlFault refused) when (refused.Kind != FaultKind.Unavailable)
        {
            // A role that was set up for an earlier version: the join itself needs nothing of this.
            _owners = null;
            LogNoOwners(_logger, OwnersTable, refused.Message);
            return null;
        }
        catch (CqlFault failed)
        {
            throw StoreErrors.OfRead(failed, _settings);
        }
    }

    /// <inheritdoc/>
    public async ValueTask ReleaseAsync(string subscription, string ownerId, CancellationToken cancellationToken)
    {
        try
        {
            await (_owners?.ReleaseAsync(subscription, ownerId, cancellationToken) ?? Task.CompletedTask);
        }
        catch (CqlFault failed)
        {
            throw StoreErrors.OfWrite(failed, isRowAtFault: false, _settings);
        }
    }

    /// <inheritdoc/>
    public async ValueTask SetCleanStopAsync(string subscription, CancellationToken cancellationToken)
    {
        try
        {
            await (_owners?.SetCleanStopAsync(subscription, cancellationToken) ?? Task.CompletedTask);
        }
        catch (CqlFault failed)
        {
            throw StoreErrors.OfWrite(failed, isRowAtFault: false, _settings);
        }
    }

    /// <inheritdoc/>
    public async ValueTask<bool> TakeCleanStopAsync(string subscription, CancellationToken cancellationToken)
    {
        try
        {
            return await (_owners?.TakeCleanStopAsync(subscription, cancellationToken) ?? Task.FromResult(false));
        }
        catch (CqlFault refused) when (refused.Kind != FaultKind.Unavailable)
        {
            // The role may not use the table: then none is written either.
            return false;
        }
        catch (CqlFault failed)
        {
            throw StoreErrors.OfRead(failed, _settings);
        }
    }

    private string OwnersTable => $"{_settings.Keyspace}.{_settings.OwnersTable}";

    private async Task OpenOwnersAsync(ICqlClient client, CancellationToken cancellationToken)
    {
        _whyNoOwners = await WhyNoTableAsync(client, _settings.OwnersTable, cancellationToken);
        _owners = _whyNoOwners is null ? new OwnerRows(client, OwnersTable) : null;
    }

    // Returns why an optional table is missing, or null when it exists. The store creates it if it may create tables. Without
    // it the store still works, as it does on the tables of an earlier version.
    private async Task<string?> WhyNoTableAsync(ICqlClient client, string table, CancellationToken cancellationToken)
    {
        if (await _schema.HasTableAsync(client, table, cancellationToken))
        {
            return null;
        }

        if (!_settings.CreateSchema)
        {
            return "it does not exist; 'ecomstream schema apply' creates it";
        }

        try
        {
            await _schema.ApplyAsync(client, cancellationToken);
            return null;
        }
        catch (CqlFault refused) when (refused.Kind != FaultKind.Unavailable)
        {
            return refused.Message;
        }
    }

    [LoggerMessage(
        Level = LogLevel.Warning,
        Message = "The store does not check whether another process joins the same subscriptions, because the table {Table} cannot be used: {Error}")]
    private static partial void LogNoOwners(ILogger logger, string table, string error);
}
