using System.Runtime.CompilerServices;
using EcomStream.Cassandra.Seam;
using EcomStream.Cassandra.Tables;
using EcomStream.Core;

namespace EcomStream.Cassandra;

/// <summary>
/// Lists the places of unmatched rows in the order of a query, by merging the entries of all buckets. Each is read in parts
/// that grow, so that a page costs a small read of each bucket however many rows there are.
/// </summary>
/// <param name="client">The client.</param>
/// <param name="statements">The statements of the listing.</param>
/// <param name="maxPart">Entries of one read at most.</param>
internal sealed class TimeListing(ICqlClient client, ListingStatements statements, int maxPart)
{
    private const int Growth = 8;
    private const int MaxReads = 256;

    /// <summary>The places, each with the kind of the entry that named it. A row may have changed since.</summary>
    public async IAsyncEnumerable<(UnmatchedCursor Place, string Kind)> PlacesAsync(
        UnmatchedQuery query, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // The rows are spread over the buckets by a hash, so each has about its share of a page.
        var share = Math.Clamp((query.Limit / UnmatchedStatements.Buckets) + 2, 2, maxPart);
        var parts = ListingStatements.KindsOf(query)
            .SelectMany(kind => Enumerable.Range(0, UnmatchedStatements.Buckets).Select(bucket => new Part(bucket, kind, query.After, share)))
            .ToList();
        using var room = new SemaphoreSlim(MaxReads);
        await Task.WhenAll(parts.Select(part => FillAsync(part, query, room, cancellationToken)));
        var next = new PriorityQueue<Part, UnmatchedCursor>(Comparer<UnmatchedCursor>.Create(query.Compare));
        foreach (var part in parts.Where(part => part.Places.Count > 0))
        {
            next.Enqueue(part, part.Places.Peek());
        }

        while (next.TryDequeue(out var part, out var place))
        {
            part.Places.Dequeue();
            yield return (place, part.Kind);
            if (part.Places.Count == 0 && !part.IsRead)
            {
                await FillAsync(part, query, room, cancellationToken);
            }

            if (part.Places.Count > 0)
            {
                next.Enqueue(part, part.Places.Peek());
            }
        }
    }

    private async Task FillAsync(Part part, UnmatchedQuery query, SemaphoreSlim room, CancellationToken cancellationToken)
    {
        await room.WaitAsync(cancellationToken);
        try
        {
            var places = await statements.ReadAsync(
                client, part.Bucket, part.Kind, query, part.Last, part.Size, cancellationToken);
            part.IsRead = places.Count < part.Size;
            part.Size = Math.Min(part.Size * Growth, maxPart);
            foreach (var place in places)
            {
                part.Places.Enqueue(place);
                part.Last = place;
            }
        }
        finally
        {
            room.Release();
        }
    }

    /// <summary>The entries of one kind in one bucket.</summary>
    private sealed class Part(int bucket, string kind, UnmatchedCursor? after, int size)
    {
        public int Bucket => bucket;

        public string Kind => kind;

        public Queue<UnmatchedCursor> Places { get; } = new();

        public UnmatchedCursor? Last { get; set; } = after;

        public int Size { get; set; } = size;

        public bool IsRead { get; set; }
    }
}
