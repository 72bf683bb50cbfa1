using System.Runtime.CompilerServices;
using EcomStream.Cassandra.Schema;
using EcomStream.Cassandra.Seam;
using EcomStream.Cassandra.Tables;
using EcomStream.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.Cassandra;

/// <content>
/// Listings of unmatched rows. With the table of listings a page costs the same however many rows there are; without it, the
/// whole table is read.
/// </content>
public sealed partial class CassandraFactStore
{
    // Null where the table of listings cannot be used.
    private ListingStatements? _byTime;

    // Whether every row has its entries.
    private bool _isListed;

    private string ListingTable => $"{_settings.Keyspace}.{CassandraSchema.ListingTable(_settings)}";

    /// <inheritdoc/>
    public async IAsyncEnumerable<UnmatchedPayment> ListUnmatchedAsync(
        UnmatchedQuery query, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        if (query.OrderId is { } orderId)
        {
            // One partition, and one read of each row: one that is changing is there before and after.
            foreach (var row in (await ReadUnmatchedAsync([orderId], cancellationToken))
                .Where(row => query.Matches(UnmatchedCursor.Of(row), row.State, row.Reason))
                .OrderBy(UnmatchedCursor.Of, Comparer<UnmatchedCursor>.Create(query.Compare))
                .Take(query.Limit))
            {
                yield return row;
            }

            yield break;
        }

        var left = query.Limit;
        var listing = _isListed && _byTime is { } byTime ? new TimeListing(Opened.Client, byTime, _settings.PageSize) : null;
        var places = listing?.PlacesAsync(query, cancellationToken)
            ?? Listing().KeysAsync(query, cancellationToken).Select(key => (key.Place, ListingStatements.All));
        await foreach (var chunk in Translated(places).Chunk(Math.Clamp(left, 1, FetchRows)).WithCancellation(cancellationToken))
        {
            var rows = (await ReadUnmatchedRowsAsync([.. chunk.Select(entry => (entry.Place.OrderId, entry.Place.PaymentKey))], cancellationToken))
                .ToDictionary(row => (row.OrderId, row.PaymentKey));
            foreach (var (place, kind) in chunk)
            {
                // A row may have changed since its key or its entry was read; then the query may not ask for it any more, or it
                // has another entry.
                if (rows.TryGetValue((place.OrderId, place.PaymentKey), out var row)
                    && query.Selects(row.State, row.Reason)
                    && (listing is null || (row.PublishTimeMicros == place.PublishTimeMicros
                        && (kind == ListingStatements.All || kind == ListingStatements.Kind(row.State, row.Reason)))))
                {
                    yield return row;
                    if (--left <= 0)
                    {
                        yield break;
                    }
                }
            }
        }
    }

    // Without the table a store that makes none says nothing: an operator sees it in 'schema check'.
    private async Task OpenListingAsync(ICqlClient client, CancellationToken cancellationToken)
    {
        (_byTime, _isListed) = (null, false);
        if (await WhyNoTableAsync(client, CassandraSchema.ListingTable(_settings), cancellationToken) is { } why)
        {
            if (_settings.CreateSchema)
            {
                LogNoListing(_logger, ListingTable, why);
            }

            return;
        }

        try
        {
            var byTime = await ListingStatements.PrepareAsync(client, ListingTable, cancellationToken);
            await SchemaAccess.CheckListingAsync(client, byTime, cancellationToken);
            _isListed = await byTime.IsCompleteAsync(client, cancellationToken);
            if (!_isListed && _settings.CreateSchema)
            {
                var rows = await ListingBackfill.RunAsync(client, _settings, byTime, Listing(), _time, cancellationToken);
                LogListed(_logger, rows, ListingTable);
                _isListed = true;
            }

            _byTime = byTime;
        }
        catch (CqlFault refused) when (refused.Kind != FaultKind.Unavailable)
        {
            LogNoListing(_logger, ListingTable, refused.Message);
        }
    }

    private UnmatchedListing Listing() => new(
        Opened.Client,
        Opened.Unmatched,
        _settings.PageSize,
        MaxListedKeys,
        page => _clock.Seen(UnmatchedStatements.WriteTimeOfKey(page)),
        Skip);

    private async IAsyncEnumerable<T> Translated<T>(IAsyncEnumerable<T> items)
    {
        await using var reader = items.GetAsyncEnumerator();
        while (true)
        {
            try
            {
                if (!await reader.MoveNextAsync())
                {
                    yield break;
                }
            }
            catch (CqlFault failed)
            {
                throw StoreErrors.OfRead(failed, _settings);
            }

            yield return reader.Current;
        }
    }

    [LoggerMessage(Level = LogLevel.Information, Message = "{Rows} unmatched payments that were there before are listed in {Table} now")]
    private static partial void LogListed(ILogger logger, long rows, string table);

    [LoggerMessage(Level = LogLevel.Warning, Message = "Unmatched payments are listed by reading all of them, because the table {Table} cannot be used: {Error}")]
    private static partial void LogNoListing(ILogger logger, string table, string error);
}
