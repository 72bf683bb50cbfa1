using System.Diagnostics;
using EcomStream.Core;
using EcomStream.Cql;
using EcomStream.TestSupport;

namespace EcomStream.Cassandra.Clusters.Tests;

/// <summary>One of three nodes stops answering writes, without closing its connections.</summary>
[Collection(ClustersCollection.Name)]
public sealed class SilentNodeTests
{
    private static readonly TimeSpan _requestTimeout = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan _heartbeat = TimeSpan.FromSeconds(1);

    // The second heartbeat at the latest finds it; requests that are under way by then wait for their timeout.
    private static readonly TimeSpan _detection = 2 * _heartbeat;

    // A busy machine.
    private static readonly TimeSpan _slack = TimeSpan.FromSeconds(1);

    [SkippableFact]
    public async Task Writes_wait_for_their_timeout_at_most_and_go_to_the_other_nodes_once_the_heartbeat_has_found_the_silent_one()
    {
        var (endpoint, _) = await CassandraClusters.UpAsync("ring");
        await using var proxy = new TcpProxy(endpoint);
        await using var store = new CassandraFactStore(new CassandraSettings
        {
            ContactPoints = [proxy.Endpoint],
            Username = "admin",
            Password = "admin",
            Keyspace = $"silent_{Guid.NewGuid():n}"[..16],
            Replication = "{'class': 'SimpleStrategy', 'replication_factor': 3}",
            RequestTimeout = _requestTimeout,
            ConnectTimeout = _requestTimeout,
            HeartbeatInterval = _heartbeat,
        });
        await store.InitializeAsync(default);
        await WriteAsync(store, 0);

        proxy.Stall();
        var clock = Stopwatch.StartNew();
        var writes = new List<(TimeSpan Began, TimeSpan Took)>();
        for (var id = 1L; clock.Elapsed < _detection + _requestTimeout + (3 * _slack); id += 16)
        {
            // As many at once as lets each of the three nodes have some.
            var began = clock.Elapsed;
            await Task.WhenAll(Enumerable.Range(0, 16).Select(i => WriteAsync(store, id + i)));
            writes.Add((began, clock.Elapsed - began));
        }

        writes.Max(write => write.Took).ShouldBeInRange(_requestTimeout / 2, _requestTimeout + _slack);
        writes.Where(write => write.Began > _detection + _slack).Max(write => write.Took).ShouldBeLessThan(_requestTimeout / 2);
    }

    private static async Task WriteAsync(CassandraFactStore store, long id) =>
        await store.WriteAsync([new FactWrite { OrderId = id, Order = new Order { OrderId = id }, OrderStamp = new Stamp(1) }], default);
}
