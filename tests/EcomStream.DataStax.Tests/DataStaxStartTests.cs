using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using EcomStream.Cassandra;
using EcomStream.Cassandra.Tests;
using EcomStream.Core;
using EcomStream.Cql;
using EcomStream.Cql.TestSupport;
using EcomStream.TestSupport;

namespace EcomStream.DataStax.Tests;

/// <summary>What the store says when it cannot connect over the driver, and TLS.</summary>
public sealed class DataStaxStartTests : IClassFixture<StoreKeyspace>, IDisposable
{
    private readonly StoreKeyspace _keyspace;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ecomstream-");
    private readonly X509Certificate2 _authority = TestCertificates.Authority("CN=the shop's authority");

    public DataStaxStartTests(StoreKeyspace keyspace) => _keyspace = keyspace;

    public void Dispose()
    {
        _authority.Dispose();
        _folder.Delete(recursive: true);
    }

    [SkippableFact]
    public async Task Wrong_credentials_are_rejected_and_the_setting_is_named()
    {
        await using var store = DataStaxStore.Create(StoreKeyspace.ServerSettings with { Password = "not-the-secret" });

        var error = await Should.ThrowAsync<StoreRejectedException>(async () => await store.InitializeAsync(default));

        error.Message.ShouldContain("ecomstream.store.cassandra.username");
        error.Message.ShouldNotContain("not-the-secret");
    }

    [SkippableFact]
    public async Task A_datacenter_that_does_not_exist_is_rejected_and_the_setting_is_named()
    {
        await using var store = DataStaxStore.Create(StoreKeyspace.ServerSettings with { LocalDatacenter = "nowhere" });

        (await Should.ThrowAsync<StoreRejectedException>(async () => await store.InitializeAsync(default)))
            .Message.ShouldContain("ecomstream.store.cassandra.local-datacenter");
    }

    [Fact]
    public async Task Where_nothing_listens_the_store_is_unavailable()
    {
        await using var store = DataStaxStore.Create(new CassandraSettings { ContactPoints = ["127.0.0.1:1"] });

        (await Should.ThrowAsync<StoreUnavailableException>(async () => await store.InitializeAsync(default))).Message.ShouldContain("127.0.0.1:1");
    }

    [SkippableFact]
    public async Task The_schema_tools_apply_and_check_over_the_driver()
    {
        var admin = DataStaxStore.CreateAdmin(_keyspace.Settings with { FactsTable = "by_driver", UnmatchedTable = "by_driver_unmatched" });

        (await admin.ApplyAsync(default)).ShouldBeEmpty();
        (await admin.CheckAsync(default)).ShouldBeEmpty();
    }

    [SkippableFact]
    public async Task Over_TLS_the_node_is_checked_against_the_authority_and_the_client_shows_its_certificate()
    {
        using var node = TestCertificates.Issue(_authority, "CN=node", "127.0.0.1");
        using var client = TestCertificates.Issue(_authority, "CN=ecomstream");
        await using var gate = new TlsGate(CassandraServer.Endpoint, node, _authority);
        await using var store = DataStaxStore.Create(Over(gate, _authority, client));

        await store.InitializeAsync(default);
        await store.WriteAsync([new FactWrite { OrderId = 7, Order = new Order { OrderId = 7, Quantity = 3 }, OrderStamp = new Stamp(1) }], default);

        (await store.ReadAsync([7], default)).ShouldHaveSingleItem()!.Order!.Quantity.ShouldBe(3);
        gate.Clients.Distinct().ShouldBe(["CN=ecomstream"]);
    }

    [SkippableTheory]
    [InlineData("127.0.0.1", false)]
    [InlineData("192.0.2.1", true)]
    public async Task A_node_of_another_authority_or_for_another_host_is_refused(string address, bool ofTheAuthority)
    {
        using var other = TestCertificates.Authority("CN=another authority");
        using var node = TestCertificates.Issue(ofTheAuthority ? _authority : other, "CN=node", address);
        using var client = TestCertificates.Issue(_authority, "CN=ecomstream");
        await using var gate = new TlsGate(CassandraServer.Endpoint, node, _authority);
        await using var store = DataStaxStore.Create(Over(gate, _authority, client));

        (await Should.ThrowAsync<Exception>(async () => await store.InitializeAsync(default))).Message.ShouldContain("ecomstream.store.cassandra.tls");
    }

    [Fact]
    public void No_type_of_the_driver_leaves_the_adapter() =>
        typeof(DataStaxStore).Assembly.GetExportedTypes()
            .SelectMany(type => type.GetMethods())
            .SelectMany(method => method.GetParameters().Select(parameter => parameter.ParameterType).Append(method.ReturnType))
            .Select(type => type.Assembly.GetName().Name)
            .ShouldNotContain("Cassandra");

    private CassandraSettings Over(TlsGate gate, X509Certificate2 authority, X509Certificate2 client)
    {
        var (ca, file) = (Path.Combine(_folder.FullName, "ca.pem"), Path.Combine(_folder.FullName, "client.pem"));
        File.WriteAllText(ca, authority.ExportCertificatePem());
        using var key = client.GetRSAPrivateKey()!;
        File.WriteAllText(file, client.ExportCertificatePem() + "\n" + key.ExportPkcs8PrivateKeyPem());
        return _keyspace.Settings with { ContactPoints = [gate.Endpoint], Tls = new CqlTls { CaFile = ca, CertificateFile = file } };
    }
}
