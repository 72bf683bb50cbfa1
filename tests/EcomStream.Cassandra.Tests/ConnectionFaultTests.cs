using EcomStream.Cql.TestSupport;
using System.Diagnostics;
using EcomStream.Core;
using EcomStream.TestSupport;

namespace EcomStream.Cassandra.Tests;

/// <summary>The store on a real Cassandra behind a connection that is cut, stalled and delayed.</summary>
public sealed class ConnectionFaultTests(StoreKeyspace keyspace) : IClassFixture<StoreKeyspace>
{
    private const int Rows = 3_000;

    private static readonly TimeSpan _timeout = TimeSpan.FromSeconds(1);

    [SkippableFact]
    public async Task A_connection_that_is_cut_while_thousands_of_writes_are_under_way_fails_them_and_is_made_again()
    {
        await using var proxy = new TcpProxy(CassandraServer.Endpoint);
        await using var store = await OpenAsync(proxy);
        proxy.Delay = TimeSpan.FromMilliseconds(200);
        var writing = WriteAsync(store, 1);
        await Task.Delay(100);
        proxy.Cut();
        var error = await Should.ThrowAsync<StoreUnavailableException>(() => writing);
        error.Message.ShouldContain(proxy.Endpoint);
        proxy.Delay = TimeSpan.Zero;
        await Until(() => WriteAsync(store, 1));
        await ShouldBeThere(store, 1);
    }

    [SkippableFact]
    public async Task A_connection_that_is_silent_fails_its_requests_in_time()
    {
        await using var proxy = new TcpProxy(CassandraServer.Endpoint);
        await using var store = await OpenAsync(proxy, heartbeat: TimeSpan.FromMinutes(1));
        proxy.Stall();
        var clock = Stopwatch.StartNew();
        var error = await Should.ThrowAsync<StoreUnavailableException>(() => WriteAsync(store, 2));
        clock.Elapsed.ShouldBeInRange(_timeout / 2, 5 * _timeout);
        error.Message.ShouldContain(proxy.Endpoint);
        proxy.Resume();
        await Until(() => WriteAsync(store, 2));
        await ShouldBeThere(store, 2);
    }

    [SkippableFact]
    public async Task An_idle_connection_that_is_silent_is_given_up_by_its_heartbeat_and_made_again()
    {
        using var log = new LogLines();
        await using var proxy = new TcpProxy(CassandraServer.Endpoint);
        await using var store = await OpenAsync(proxy, log: log);
        var accepted = proxy.Accepted;

        // Nothing is sent: only the heartbeat can notice.
        proxy.Stall();
        await Eventually.True(() => proxy.Accepted > accepted, "the silent connection is made again");
        await Eventually.True(
            () => log.Lines.Any(line => line.Contains("does not answer the heartbeat", StringComparison.Ordinal)), "its heartbeat has given it up");
        proxy.Resume();
        await Until(() => WriteAsync(store, 5));
        await ShouldBeThere(store, 5);
    }

    [SkippableFact]
    public async Task An_answer_that_comes_after_its_deadline_is_not_taken_for_that_of_another_request()
    {
        await using var proxy = new TcpProxy(CassandraServer.Endpoint);
        await using var store = await OpenAsync(proxy, heartbeat: TimeSpan.FromMinutes(1));
        await WriteAsync(store, 3);
        proxy.Stall();
        await Should.ThrowAsync<StoreUnavailableException>(async () => await store.ReadAsync([.. Enumerable.Range(0, 500).Select(i => Id(3, i))], default));
        proxy.Resume();

        // The late answers arrive among these, on the same connection.
        for (var round = 0; round < 20; round++)
        {
            await ShouldBeThere(store, 3);
        }

        proxy.Accepted.ShouldBeLessThanOrEqualTo(3);
    }

    [SkippableFact]
    public async Task A_server_that_takes_no_connection_for_a_while_is_found_again()
    {
        await using var proxy = new TcpProxy(CassandraServer.Endpoint);
        await using var store = await OpenAsync(proxy);
        proxy.Refuse(true);
        proxy.Cut();
        await Should.ThrowAsync<StoreUnavailableException>(() => WriteAsync(store, 4));
        await Task.Delay(TimeSpan.FromSeconds(2));
        proxy.Refuse(false);
        await Until(() => WriteAsync(store, 4));
        await ShouldBeThere(store, 4);
    }

    private static long Id(int test, int row) => (test * 1_000_000L) + row;

    private static async Task WriteAsync(CassandraFactStore store, int test) => await store.WriteAsync(
        [.. Enumerable.Range(0, Rows).Select(i => new FactWrite
        {
            OrderId = Id(test, i),
            Order = new Order { OrderId = Id(test, i), Quantity = i },
            OrderStamp = new Stamp(1),
        })],
        default);

    private static async Task ShouldBeThere(CassandraFactStore store, int test)
    {
        var rows = await store.ReadAsync([.. Enumerable.Range(0, Rows).Select(i => Id(test, i))], default);
        rows.Select(row => row?.Order?.Quantity).ShouldBe(Enumerable.Range(0, Rows).Select(i => (long?)i));
    }

    private static async Task Until(Func<Task> write)
    {
        for (var tries = 0; ; tries++)
        {
            try
            {
                await write();
                return;
            }
            catch (StoreUnavailableException) when (tries < 40)
            {
                await Task.Delay(250);
            }
        }
    }

    private async Task<CassandraFactStore> OpenAsync(TcpProxy proxy, TimeSpan? heartbeat = null, LogLines? log = null)
    {
        var store = new CassandraFactStore(keyspace.Settings with
        {
            ContactPoints = [proxy.Endpoint],
            RequestTimeout = _timeout,
            ConnectTimeout = _timeout,
            HeartbeatInterval = heartbeat ?? TimeSpan.FromMilliseconds(500),
            ReconnectMaxBackoff = TimeSpan.FromMilliseconds(500),
            BatchRows = 1,
        }, log);

        // A server that has just started may take longer than the timeout, above all for the first password.
        await Until(() => store.InitializeAsync(default).AsTask());
        return store;
    }
}
