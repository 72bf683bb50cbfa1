using System.Diagnostics;
using EcomStream.Core;
using EcomStream.Cql;
using EcomStream.TestSupport;

namespace EcomStream.Cassandra.Clusters.Tests;

/// <summary>One of three nodes stops answering, without closing its connections.</summary>
[Collection(RingCollection.Name)]
public sealed class SpeculativeReadTests
{
    private static readonly TimeSpan _requestTimeout = TimeSpan.FromSeconds(6);

    [SkippableFact]
    public async Task A_second_node_answers_what_the_first_one_is_slow_to_and_without_it_reads_wait_for_their_timeout()
    {
        var (endpoint, _) = await CassandraClusters.UpAsync("ring");

        (await LongestReadAsync(endpoint, speculativeReadDelay: TimeSpan.FromMilliseconds(100))).ShouldBeLessThan(_requestTimeout / 2);

        (await LongestReadAsync(endpoint, speculativeReadDelay: TimeSpan.Zero)).ShouldBeGreaterThanOrEqualTo(_requestTimeout * 0.9);
    }

    private static async Task<TimeSpan> LongestReadAsync(string endpoint, TimeSpan speculativeReadDelay)
    {
        await using var proxy = new TcpProxy(endpoint);
        await using var store = StoreClient.Create(new CassandraSettings
        {
            ContactPoints = [proxy.Endpoint],
            Username = "admin",
            Password = "admin",
            Keyspace = $"slow_{Guid.NewGuid():n}"[..16],
            Replication = "{'class': 'SimpleStrategy', 'replication_factor': 3}",
            Consistency = Consistency.LocalQuorum,
            SpeculativeReadDelay = speculativeReadDelay,
            RequestTimeout = _requestTimeout,
            HeartbeatInterval = TimeSpan.FromMinutes(5),
        });
        await store.InitializeAsync(default);
        var ids = Enumerable.Range(1, 300).Select(id => (long)id).ToArray();
        await store.WriteAsync([.. ids.Select(id => new FactWrite { OrderId = id, Order = new Order { OrderId = id }, OrderStamp = new Stamp(1) })], default);
        await Task.WhenAll(ids.Select(id => ReadAsync(store, id)));

        proxy.Stall();
        var longest = (await Task.WhenAll(ids.Select(id => ReadAsync(store, id)))).Max();
        proxy.Resume();
        return longest;
    }

    private static async Task<TimeSpan> ReadAsync(CassandraFactStore store, long id)
    {
        // A request has one deadline for all its attempts; the caller repeats it, as the pipeline does.
        var clock = Stopwatch.StartNew();
        for (var attempt = 1; ; attempt++)
        {
            try
            {
                (await store.ReadAsync([id], default)).ShouldHaveSingleItem()!.OrderId.ShouldBe(id);
                return clock.Elapsed;
            }
            catch (StoreUnavailableException) when (attempt < 5)
            {
            }
        }
    }
}
