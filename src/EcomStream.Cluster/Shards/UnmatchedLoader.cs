using EcomStream.Actors;
using EcomStream.Core;

namespace EcomStream.Cluster;

/// <summary>
/// Reads which orders have unmatched payments, for the shards that start on this node: one reading of the table serves
/// every shard that asked before it began.
/// </summary>
/// <param name="store">The store.</param>
/// <param name="shards">The number of shards.</param>
internal sealed class UnmatchedLoader(IFactStore store, int shards)
{
    private readonly Lock _lock = new();
    private List<(int Shard, UnmatchedIndex Index)> _requests = [];
    private Task _running = Task.CompletedTask;
    private Task? _next;

    /// <summary>Adds the orders of a shard to its index.</summary>
    /// <param name="shard">The shard.</param>
    /// <param name="index">Its index.</param>
    /// <param name="cancellationToken">Ends the wait, not the reading that other shards wait for.</param>
    public Task LoadAsync(int shard, UnmatchedIndex index, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            _requests.Add((shard, index));
            _next ??= RunAfterAsync(_running);
            return _next.WaitAsync(cancellationToken);
        }
    }

    private async Task RunAfterAsync(Task running)
    {
        await running.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ForceYielding);
        List<(int Shard, UnmatchedIndex Index)> requests;
        lock (_lock)
        {
            (requests, _requests) = (_requests, []);
            (_running, _next) = (_next!, null);
        }

        var byShard = requests.ToLookup(request => request.Shard, request => request.Index);
        await foreach (var payment in store.ListUnjoinedAsync(CancellationToken.None))
        {
            foreach (var index in byShard[Core.Shards.Of(payment.OrderId, shards)])
            {
                index.Add(payment);
            }
        }
    }
}
