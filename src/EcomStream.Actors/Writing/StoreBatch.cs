using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Orders that go to the store in one call.</summary>
/// <param name="Work">The orders.</param>
internal abstract record StoreBatch(List<OrderWork> Work)
{
    /// <summary>Failed attempts so far.</summary>
    public int Failures { get; set; }

    /// <summary>How many rows the writer had written when the store first rejected it; null while it has not.</summary>
    public long? RejectedAt { get; set; }

    /// <summary>
    /// Whether it is a single order that fails although the store may accept others: it does not occupy a slot of its
    /// writer while it waits.
    /// </summary>
    public bool IsIsolated { get; set; }

    /// <summary>What it does, for log messages: "write" or "read".</summary>
    public abstract string Operation { get; }

    /// <summary>A part of it, to find the row that fails.</summary>
    public abstract StoreBatch Part(int start, int count);
}

/// <summary>Orders to write.</summary>
internal sealed record WriteBatch(List<OrderWork> Work) : StoreBatch(Work)
{
    public override string Operation => "write";

    public override StoreBatch Part(int start, int count) => new WriteBatch(Work.GetRange(start, count)) { RejectedAt = RejectedAt };

    /// <summary>Writes them.</summary>
    /// <returns>The orders whose guarded payment was refused.</returns>
    public async Task<IReadOnlyList<long>> RunAsync(IFactStore store)
    {
        var writes = new List<FactWrite>(Work.Count);
        foreach (var work in Work)
        {
            writes.Add(work.Current!.ToFactWrite());
        }

        return await store.WriteAsync(writes, CancellationToken.None);
    }
}

/// <summary>Orders to read.</summary>
internal sealed record ReadBatch(List<OrderWork> Work) : StoreBatch(Work)
{
    public override string Operation => "read";

    public override StoreBatch Part(int start, int count) => new ReadBatch(Work.GetRange(start, count)) { RejectedAt = RejectedAt };

    /// <summary>Reads their rows, and the unmatched rows of those that the index lists.</summary>
    public async Task<IReadOnlyList<LoadedOrder>> RunAsync(IFactStore store, UnmatchedIndex index)
    {
        var orderIds = Work.ConvertAll(work => work.OrderId);
        var rows = await store.ReadAsync(orderIds, CancellationToken.None);
        var loaded = new LoadedOrder[orderIds.Count];
        for (var i = 0; i < loaded.Length; i++)
        {
            loaded[i] = new LoadedOrder(rows[i], [], HasMore: false);
        }

        var listed = orderIds.FindAll(index.Contains);
        if (listed.Count == 0)
        {
            return loaded;
        }

        var unmatched = (await store.ReadUnjoinedAsync(listed, UnmatchedWriter.UnjoinedLimit, CancellationToken.None)).ToLookup(row => row.OrderId);
        for (var i = 0; i < loaded.Length; i++)
        {
            if (!unmatched.Contains(orderIds[i]))
            {
                continue;
            }

            var messages = new List<UnmatchedMessage>();
            var count = 0;
            foreach (var row in unmatched[orderIds[i]])
            {
                if (!row.IsHealable)
                {
                    continue;
                }

                count++;
                if (UnmatchedRows.Decode(row) is { } payment)
                {
                    messages.Add(new UnmatchedMessage(payment, row.State == UnmatchedState.DeadLettered));
                }
            }

            loaded[i] = new LoadedOrder(rows[i], messages, HasMore: count >= UnmatchedWriter.UnjoinedLimit && messages.Count > 0);
        }

        return loaded;
    }
}

/// <summary>What was read of an order.</summary>
/// <param name="Row">Its row; null for none.</param>
/// <param name="Unmatched">Its unmatched payments that an order would heal.</param>
/// <param name="HasMore">Whether there may be more of them.</param>
internal readonly record struct LoadedOrder(OrderFact? Row, IReadOnlyList<UnmatchedMessage> Unmatched, bool HasMore);
