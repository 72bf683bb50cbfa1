using System.Diagnostics;
using EcomStream.Core;
using EcomStream.Cql;
using EcomStream.Hosting;
using EcomStream.TestSupport;

namespace EcomStream.Cassandra.Clusters.Tests;

/// <summary>One of three nodes stops answering writes, without closing its connections.</summary>
[Collection(RingCollection.Name)]
public sealed class SilentNodeTests
{
    // Long against the delay, so that a write that waited for either is told from one that did not.
    private static readonly TimeSpan _requestTimeout = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan _heartbeat = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan _silentNodeDelay = new CqlSettings().SilentNodeDelay;

    // A busy machine.
    private static readonly TimeSpan _slack = TimeSpan.FromSeconds(1);

    [SkippableFact]
    public async Task Writes_to_a_silent_node_go_to_the_others_after_the_delay_and_later_ones_at_once()
    {
        Skip.If(StoreClient.Kind == ClientKind.Official, "the official driver has no silent-node-delay: docs/clients.md");
        var (endpoint, _) = await CassandraClusters.UpAsync("ring");
        await using var proxy = new TcpProxy(endpoint);
        await using var store = StoreClient.Create(new CassandraSettings
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

        await WriteToEveryNodeAsync(store, 0);
        proxy.Stall();
        var clock = Stopwatch.StartNew();
        var writes = new List<(TimeSpan Began, TimeSpan Took)>();
        for (var id = 16L; clock.Elapsed < _heartbeat; id += 16)
        {
            var began = clock.Elapsed;
            await WriteToEveryNodeAsync(store, id);
            writes.Add((began, clock.Elapsed - began));
        }

        writes.Max(write => write.Took).ShouldBeInRange(_silentNodeDelay * 0.8, _silentNodeDelay + _slack);

        // Nine of ten: one of the other nodes may pause by itself, to collect its garbage or because the machine is busy.
        var later = writes.Where(write => write.Began > _silentNodeDelay + _slack).Select(write => write.Took).Order().ToList();
        later[later.Count * 9 / 10].ShouldBeLessThan(_silentNodeDelay);
    }

    // As many at once as lets each of the three nodes have some.
    private static Task WriteToEveryNodeAsync(CassandraFactStore store, long id) =>
        Task.WhenAll(Enumerable.Range(0, 16).Select(i => WriteAsync(store, id + i)));

    private static async Task WriteAsync(CassandraFactStore store, long id) =>
        await store.WriteAsync([new FactWrite { OrderId = id, Order = new Order { OrderId = id }, OrderStamp = new Stamp(1) }], default);
}
