using EcomStream.Cql;
using EcomStream.Cql.TestSupport;
using System.Net;
using System.Security.Cryptography;
using System.Security.Cryptography.X509Certificates;
using EcomStream.Core;
using EcomStream.TestSupport;

namespace EcomStream.Cassandra.Tests;

/// <summary>The store on a real Cassandra behind a gate that asks for the client's certificate.</summary>
[Trait("Speed", "Slow")]
public sealed class ClientCertificateTests : IClassFixture<StoreKeyspace>, IDisposable
{
    private readonly StoreKeyspace _keyspace;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ecomstream-");
    private readonly X509Certificate2 _authority = TestCertificates.Authority("CN=the shop's authority");
    private readonly X509Certificate2 _node;

    public ClientCertificateTests(StoreKeyspace keyspace)
    {
        _keyspace = keyspace;
        _node = TestCertificates.Issue(_authority, "CN=node", "127.0.0.1");
        File.WriteAllText(PathOf("ca.pem"), _authority.ExportCertificatePem());
    }

    public void Dispose()
    {
        _authority.Dispose();
        _node.Dispose();
        _folder.Delete(recursive: true);
    }

    [SkippableTheory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task A_client_shows_its_certificate_with_the_key_in_the_same_file_or_another(bool keyInItsOwnFile)
    {
        await using var gate = new TlsGate(CassandraServer.Endpoint, _node, _authority);
        using var client = TestCertificates.Issue(_authority, "CN=ecomstream");
        var tls = Write(client, keyInItsOwnFile);
        await using var store = Store(gate, tls);

        await store.InitializeAsync(default);
        await store.WriteAsync([new FactWrite { OrderId = 7, Order = new Order { OrderId = 7, Quantity = 3 }, OrderStamp = new Stamp(1) }], default);

        (await store.ReadAsync([7], default)).ShouldHaveSingleItem()!.Order!.Quantity.ShouldBe(3);
        gate.Clients.Distinct().ShouldBe(["CN=ecomstream"]);
    }

    [SkippableFact]
    public async Task Without_a_certificate_or_with_a_strangers_the_store_says_what_to_check()
    {
        await using var gate = new TlsGate(CassandraServer.Endpoint, _node, _authority);
        using var otherAuthority = TestCertificates.Authority("CN=another authority");
        using var stranger = TestCertificates.Issue(otherAuthority, "CN=stranger");
        foreach (var tls in new[] { new CqlTls { CaFile = PathOf("ca.pem") }, Write(stranger, keyInItsOwnFile: false) })
        {
            await using var store = Store(gate, tls);
            var error = await Should.ThrowAsync<StoreUnavailableException>(async () => await store.InitializeAsync(default));
            error.Message.ShouldContain(gate.Endpoint);
            error.Message.ShouldContain("ecomstream.store.cassandra.tls.certificate-file");
        }

        gate.Clients.ShouldBeEmpty();
    }

    [SkippableFact]
    public async Task A_node_whose_certificate_is_for_another_host_is_refused_unless_the_settings_let_it_pass()
    {
        using var elsewhere = TestCertificates.Issue(_authority, "CN=elsewhere", "192.0.2.1");
        await using var gate = new TlsGate(CassandraServer.Endpoint, elsewhere, _authority);
        using var client = TestCertificates.Issue(_authority, "CN=ecomstream");
        var tls = Write(client, keyInItsOwnFile: false);

        await using var strict = Store(gate, tls);
        (await Should.ThrowAsync<StoreRejectedException>(async () => await strict.InitializeAsync(default))).Message.ShouldContain("is for another host");

        await using var lenient = Store(gate, tls with { VerifyHost = false });
        await lenient.InitializeAsync(default);
    }

    [SkippableFact]
    public async Task Both_sides_send_the_certificates_between_their_own_and_the_authority_that_the_other_knows()
    {
        using var between = Intermediate("CN=the shop's servers and clients");
        using var node = TestCertificates.Issue(between, "CN=node", "127.0.0.1");
        using var client = TestCertificates.Issue(between, "CN=ecomstream");
        await using var gate = new TlsGate(CassandraServer.Endpoint, node, _authority, between);
        await using var store = Store(gate, Write(client, keyInItsOwnFile: false, between));

        await store.InitializeAsync(default);

        gate.Clients.Distinct().ShouldBe(["CN=ecomstream"]);
    }

    [SkippableFact]
    public async Task A_certificate_that_is_for_clients_alone_is_no_nodes()
    {
        using var stolen = ForClientsAlone("127.0.0.1");
        await using var gate = new TlsGate(CassandraServer.Endpoint, stolen, _authority);
        using var client = TestCertificates.Issue(_authority, "CN=ecomstream");
        await using var store = Store(gate, Write(client, keyInItsOwnFile: false));

        (await Should.ThrowAsync<StoreRejectedException>(async () => await store.InitializeAsync(default))).Message.ShouldContain("NotValidForUsage");
    }

    [SkippableFact]
    public async Task A_connection_that_is_lost_during_the_handshake_is_a_node_that_cannot_be_reached_and_the_next_one_is_tried()
    {
        await using var gate = new TlsGate(CassandraServer.Endpoint, _node, _authority);
        await using var broken = new TcpProxy(gate.Endpoint);
        broken.Refuse(true);
        using var client = TestCertificates.Issue(_authority, "CN=ecomstream");
        var tls = Write(client, keyInItsOwnFile: false);

        await using var alone = Store(broken.Endpoint, tls);
        (await Should.ThrowAsync<StoreUnavailableException>(async () => await alone.InitializeAsync(default))).Message.ShouldContain("TLS handshake");

        await using var store = Store(broken.Endpoint, tls, gate.Endpoint);
        await store.InitializeAsync(default);
    }

    private X509Certificate2 Intermediate(string subject)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest(subject, key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        request.CertificateExtensions.Add(new X509BasicConstraintsExtension(true, false, 0, true));
        return Sign(request, key);
    }

    private X509Certificate2 ForClientsAlone(string address)
    {
        using var key = RSA.Create(2048);
        var request = new CertificateRequest("CN=a client", key, HashAlgorithmName.SHA256, RSASignaturePadding.Pkcs1);
        var names = new SubjectAlternativeNameBuilder();
        names.AddIpAddress(IPAddress.Parse(address));
        request.CertificateExtensions.Add(names.Build());
        request.CertificateExtensions.Add(new X509EnhancedKeyUsageExtension([new Oid("1.3.6.1.5.5.7.3.2")], critical: false));
        return Sign(request, key);
    }

    private X509Certificate2 Sign(CertificateRequest request, RSA key)
    {
        using var signed = request.Create(_authority, DateTimeOffset.UtcNow.AddHours(-2), DateTimeOffset.UtcNow.AddDays(1.5), RandomNumberGenerator.GetBytes(8));
        using var withKey = signed.CopyWithPrivateKey(key);
        return X509CertificateLoader.LoadPkcs12(withKey.Export(X509ContentType.Pkcs12), null, X509KeyStorageFlags.Exportable);
    }

    private CqlTls Write(X509Certificate2 certificate, bool keyInItsOwnFile, params X509Certificate2[] between)
    {
        using var key = certificate.GetRSAPrivateKey()!;
        var shown = string.Join('\n', between.Prepend(certificate).Select(part => part.ExportCertificatePem()));
        var secret = key.ExportPkcs8PrivateKeyPem();
        File.WriteAllText(PathOf("client.pem"), keyInItsOwnFile ? shown : $"{shown}\n{secret}\n");
        File.WriteAllText(PathOf("client.key"), secret);
        return new CqlTls
        {
            CaFile = PathOf("ca.pem"),
            CertificateFile = PathOf("client.pem"),
            KeyFile = keyInItsOwnFile ? PathOf("client.key") : "",
        };
    }

    private CassandraFactStore Store(TlsGate gate, CqlTls tls) => Store(gate.Endpoint, tls);

    private CassandraFactStore Store(string endpoint, CqlTls tls, params string[] more) =>
        new(_keyspace.Settings with { ContactPoints = [endpoint, .. more], Tls = tls });

    private string PathOf(string file) => Path.Combine(_folder.FullName, file);
}
