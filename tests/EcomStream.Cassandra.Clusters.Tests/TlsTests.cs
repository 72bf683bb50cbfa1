using EcomStream.Cql;
using EcomStream.Core;
using EcomStream.TestSupport;

namespace EcomStream.Cassandra.Clusters.Tests;

[Collection(TlsCollection.Name)]
public sealed class TlsTests
{
    [SkippableFact]
    public async Task Rows_are_written_and_read_over_TLS_plain_and_compressed()
    {
        var (endpoint, authority) = await CassandraClusters.UpAsync("tls");
        foreach (var compression in new[] { false, true })
        {
            await using var store = StoreClient.Create(Settings(endpoint, new CqlTls { CaFile = authority }) with { Compression = compression });
            await store.InitializeAsync(default);
            await store.WriteAsync(
                [.. Enumerable.Range(1, 3_000).Select(id => new FactWrite
                {
                    OrderId = id,
                    Order = new Order { OrderId = id, Item = new string('x', id % 300) },
                    OrderStamp = new Stamp(id),
                })],
                default);
            var rows = await store.ReadAsync([.. Enumerable.Range(1, 3_000).Select(id => (long)id)], default);
            rows.ShouldAllBe(row => row!.Order!.Item!.Length == row.OrderId % 300);
        }
    }

    [SkippableFact]
    public async Task A_client_without_TLS_fails_and_says_what_to_check()
    {
        var (endpoint, _) = await CassandraClusters.UpAsync("tls");
        var error = await Failure(Settings(endpoint, null) with { ConnectTimeout = TimeSpan.FromSeconds(2) });
        error.Message.ShouldContain(endpoint);
        error.Message.ShouldContain("TLS");
    }

    [SkippableFact]
    public async Task A_certificate_that_this_machine_does_not_trust_is_refused()
    {
        var (endpoint, _) = await CassandraClusters.UpAsync("tls");
        var error = await Failure(Settings(endpoint, new CqlTls()));
        error.ShouldBeOfType<StoreRejectedException>().Message.ShouldContain("not trusted by this machine; give its authority as ca-file");
    }

    [SkippableFact]
    public async Task A_certificate_of_another_authority_is_refused()
    {
        var (endpoint, _) = await CassandraClusters.UpAsync("tls");
        using var authority = TestCertificates.Authority("CN=another authority");
        var file = Path.GetTempFileName();
        try
        {
            await File.WriteAllTextAsync(file, authority.ExportCertificatePem());
            var error = await Failure(Settings(endpoint, new CqlTls { CaFile = file }));
            error.ShouldBeOfType<StoreRejectedException>().Message.ShouldContain("does not lead to");
        }
        finally
        {
            File.Delete(file);
        }
    }

    [SkippableFact]
    public async Task A_wrong_password_over_TLS_is_refused()
    {
        var (endpoint, authority) = await CassandraClusters.UpAsync("tls");
        var error = await Failure(Settings(endpoint, new CqlTls { CaFile = authority }) with { Password = "not-the-secret" });
        error.ShouldBeOfType<StoreRejectedException>().Message.ShouldContain("username and password");
    }

    private static async Task<Exception> Failure(CassandraSettings settings)
    {
        await using var store = StoreClient.Create(settings);
        return await Should.ThrowAsync<Exception>(async () => await store.InitializeAsync(default));
    }

    private static CassandraSettings Settings(string endpoint, CqlTls? tls) => new()
    {
        ContactPoints = [endpoint], Username = "cassandra", Password = "cassandra", Replication = "{'class': 'SimpleStrategy', 'replication_factor': 1}", Keyspace = "tls", Tls = tls, Consistency = Consistency.One,
    };
}
