using System.Runtime.CompilerServices;
using EcomStream.Cassandra.Seam;
using EcomStream.Cassandra.Tables;
using EcomStream.Core;

namespace EcomStream.Cassandra;

/// <summary>
/// Lists the unmatched rows. The table is ordered by order, not by time, so a listing reads keys and what is asked about,
/// some 60 bytes a row, of the whole table, and keeps the first of them; where more are asked for than it keeps, it reads
/// the table again for the next ones. Its memory is bounded however many rows there are.
/// </summary>
internal sealed class UnmatchedListing(
    ICqlClient client,
    UnmatchedStatements statements,
    int pageSize,
    int maxKeys,
    Action<IPage> seen,
    Action<FormatException> skip)
{
    private volatile bool _hasNoFiltering;

    /// <summary>The keys that a query asks for, in order, in chunks.</summary>
    public async IAsyncEnumerable<UnmatchedKey> KeysAsync(UnmatchedQuery query, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var after = query.After;
        for (var left = query.Limit; left > 0;)
        {
            var keep = Math.Min(left, maxKeys);
            var keys = await FirstAsync(query, after, keep, cancellationToken);
            foreach (var key in keys)
            {
                yield return key;
            }

            if (keys.Count < keep)
            {
                yield break;
            }

            left -= keys.Count;
            after = keys[^1].Place;
        }
    }

    /// <summary>All keys that a query asks for, in no particular order, in one pass over the table.</summary>
    public async IAsyncEnumerable<UnmatchedKey> UnorderedAsync(UnmatchedQuery query, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var bucket = 0; bucket < UnmatchedStatements.Buckets; bucket++)
        {
            await foreach (var key in ScanAsync(statements.Keys, bucket, cancellationToken))
            {
                if (query.Matches(key.Place, key.State, key.Reason))
                {
                    yield return key;
                }
            }
        }
    }

    /// <summary>The keys of the unjoined payments. The server leaves out the other rows.</summary>
    public async IAsyncEnumerable<UnmatchedKey> UnjoinedAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        for (var bucket = 0; bucket < UnmatchedStatements.Buckets; bucket++)
        {
            foreach (var filtered in statements.Unjoined)
            {
                if (_hasNoFiltering && filtered != statements.Unjoined[0])
                {
                    continue;
                }

                await foreach (var key in ScanAsync(filtered, bucket, cancellationToken))
                {
                    if (key.IsUnjoined)
                    {
                        yield return key;
                    }
                }
            }
        }
    }

    // The first keys behind a place.
    private async Task<List<UnmatchedKey>> FirstAsync(
        UnmatchedQuery query, UnmatchedCursor? after, int count, CancellationToken cancellationToken)
    {
        var keys = new List<UnmatchedKey>();
        var window = query with { After = after };
        for (var bucket = 0; bucket < UnmatchedStatements.Buckets; bucket++)
        {
            await foreach (var key in ScanAsync(statements.Keys, bucket, cancellationToken))
            {
                if (!window.Matches(key.Place, key.State, key.Reason))
                {
                    continue;
                }

                keys.Add(key);
                if (keys.Count >= 2L * count)
                {
                    keys.Sort(Compare);
                    keys.RemoveRange(count, keys.Count - count);
                }
            }
        }

        keys.Sort(Compare);
        return keys.Count <= count ? keys : keys.GetRange(0, count);

        int Compare(UnmatchedKey left, UnmatchedKey right) => query.Compare(left.Place, right.Place);
    }

    private async IAsyncEnumerable<UnmatchedKey> ScanAsync(
        IStatement statement, int bucket, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        byte[]? next = null;
        do
        {
            var page = await PageAsync(statement, bucket, next, cancellationToken);
            next = page.PagingState;
            while (page.Next())
            {
                seen(page);
                UnmatchedKey? key = null;
                try
                {
                    key = UnmatchedStatements.ToKey(page);
                }
                catch (FormatException undecodable)
                {
                    skip(undecodable);
                }

                if (key is { } found)
                {
                    yield return found;
                }
            }
        }
        while (next is not null);
    }

    private async Task<IPage> PageAsync(IStatement statement, int bucket, byte[]? state, CancellationToken cancellationToken)
    {
        var isFiltered = statement != statements.Keys;
        try
        {
            return await client.ReadAsync(
                isFiltered && _hasNoFiltering ? statements.Keys : statement,
                "list unmatched payments",
                UnmatchedStatements.ReplicasOf(client, bucket),
                new BucketOnly(bucket),
                new PageRequest(pageSize, state),
                cancellationToken);
        }
        catch (CqlFault refused) when (refused.Kind == FaultKind.Invalid && isFiltered && !_hasNoFiltering && state is null)
        {
            // The guardrail allow_filtering_enabled forbids it: all rows are read instead, and the others left out here.
            _hasNoFiltering = true;
            return await PageAsync(statement, bucket, state, cancellationToken);
        }
    }
}
