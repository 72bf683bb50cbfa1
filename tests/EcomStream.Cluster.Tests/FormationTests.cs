using System.Net;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Cluster;
using Akka.Configuration;
using EcomStream.TestSupport;

namespace EcomStream.Cluster.Tests;

/// <summary>How nodes find and trust each other, with real actor systems.</summary>
[Trait("Speed", "Slow")]
public sealed class FormationTests : IAsyncDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("ecomstream-formation-").FullName;
    private readonly List<ActorSystem> _systems = [];

    [Fact]
    public async Task Nodes_with_certificates_of_one_authority_form_a_cluster_and_one_of_another_authority_is_not_admitted()
    {
        using var authority = TestCertificates.Authority("CN=nodes");
        using var stranger = TestCertificates.Authority("CN=others");
        var (first, second) = (FreePorts.Next(), FreePorts.Next());
        var seeds = $"seed-nodes = [\"127.0.0.1:{first}\", \"127.0.0.1:{second}\"]";
        var one = Start($"port = {first}, {seeds}, {Tls("a", authority, authority)}");
        Start($"port = {second}, {seeds}, {Tls("b", authority, authority)}");
        var other = Start($"port = {FreePorts.Next()}, {seeds}, {Tls("c", stranger, authority)}");

        await UpAsync(one, 2);
        await Task.Delay(TimeSpan.FromSeconds(3));
        Up(one).ShouldBe(2);
        Up(other).ShouldBe(0);
    }

    [Fact]
    public async Task Nodes_that_are_listed_by_their_management_addresses_form_one_cluster()
    {
        var management = new[] { FreePorts.Next(), FreePorts.Next() };
        var contacts = string.Join(", ", management.Select(port => $"\"127.0.0.1:{port}\""));
        foreach (var port in management)
        {
            Start($"port = {FreePorts.Next()}, discovery = config, contact-points = [{contacts}], required-contact-points = 2, management-port = {port}");
        }

        await UpAsync(_systems[0], 2);
        await UpAsync(_systems[1], 2);
    }

    // One name with one address here, so the one node that it leads to is the whole cluster.
    [Fact]
    public async Task A_node_finds_itself_and_the_others_by_the_addresses_of_a_DNS_name()
    {
        var port = FreePorts.Next();
        Start($"port = {FreePorts.Next()}, discovery = dns, service-name = localhost, required-contact-points = 1, management-port = {port}");
        await UpAsync(_systems[0], 1);
        (await new DnsDiscovery((ExtendedActorSystem)_systems[0]).Lookup(new Akka.Discovery.Lookup("no-such-host.invalid"), TimeSpan.FromSeconds(5)))
            .Addresses.ShouldBeEmpty();
    }

    [Fact]
    public void A_management_port_that_another_program_has_is_a_clear_error()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;
        Should.Throw<ConfigurationException>(() => Start($"port = 0, discovery = config, contact-points = [\"127.0.0.1:{port}\"], management-port = {port}"))
            .Message.ShouldContain("ecomstream.cluster.management-port");
    }

    // As deploy/kubernetes: the pods of one label, whose port "management" is the contact point.
    [Fact]
    public async Task Pods_that_the_API_server_of_Kubernetes_lists_form_one_cluster()
    {
        using var authority = TestCertificates.Authority("CN=kubernetes");
        using var certificate = TestCertificates.Issue(authority, "CN=api", address: "127.0.0.1");
        var management = new[] { FreePorts.Next(), FreePorts.Next() };
        await using var server = new FakeKubernetes(certificate, management);
        File.WriteAllText(Path.Combine(_folder, "ca.crt"), authority.ExportCertificatePem());
        File.WriteAllText(Path.Combine(_folder, "token"), "secret\n");
        File.WriteAllText(Path.Combine(_folder, "namespace"), "shop");
        foreach (var port in management)
        {
            Start(
                $"port = {FreePorts.Next()}, discovery = kubernetes, service-name = orders, required-contact-points = 2, management-port = {port}",
                $$"""akka.discovery.ecomstream-kubernetes { service-account = "{{_folder}}", api-server = "https://127.0.0.1:{{server.Port}}" }""");
        }

        var found = await new KubernetesDiscovery((ExtendedActorSystem)_systems[0]).Lookup(new Akka.Discovery.Lookup("orders"), TimeSpan.FromSeconds(10));
        found.Addresses.Select(target => (target.Host, target.Port)).ShouldBe(management.Select(port => ("127.0.0.1", (int?)port)), ignoreOrder: true);
        await UpAsync(_systems[0], 2);
        await UpAsync(_systems[1], 2);
        server.Requests.ShouldContain(request => request.StartsWith("GET /api/v1/namespaces/shop/pods", StringComparison.Ordinal)
            && Uri.UnescapeDataString(request).Contains("labelSelector=app=orders", StringComparison.Ordinal));
        server.Tokens.ShouldContain("Bearer secret");
    }

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_systems.Select(system => system.Terminate()));
        Directory.Delete(_folder, recursive: true);
    }

    private static int Up(ActorSystem system) => Akka.Cluster.Cluster.Get(system).State.Members.Count(member => member.Status == MemberStatus.Up);

    private static Task UpAsync(ActorSystem system, int members) =>
        Eventually.True(() => Up(system) == members, $"{members} nodes are up", TimeSpan.FromSeconds(60));

    private ActorSystem Start(string cluster, string more = "")
    {
        var settings = ClusterSettings.Read(ConfigurationFactory.ParseString($"ecomstream.cluster {{ enabled = on, {cluster} }}"));
        var hocon = ConfigurationFactory.ParseString("akka { loglevel = OFF, stdout-loglevel = OFF, loggers = [], management.cluster.bootstrap.contact-point-discovery { stable-margin = 1s, interval = 500ms } }")
            .WithFallback(ConfigurationFactory.ParseString(more))
            .WithFallback(settings.ToAkka());
        var setup = ActorSystemSetup.Create(BootstrapSetup.Create().WithConfig(hocon));
        var system = ActorSystem.Create("ecomstream", settings.Tls is { } tls ? setup.And(tls.ToSetup()) : setup);
        _systems.Add(system);
        ClusterFormation.Start(system, settings);
        return system;
    }

    private string Tls(string name, X509Certificate2 issuer, X509Certificate2 trusted)
    {
        using var certificate = TestCertificates.Issue(issuer, $"CN={name}", address: "127.0.0.1");
        using var key = certificate.GetRSAPrivateKey()!;
        var (certificateFile, authorityFile) = (Path.Combine(_folder, $"{name}.pem"), Path.Combine(_folder, $"{name}-authority.pem"));
        File.WriteAllText(certificateFile, $"{certificate.ExportCertificatePem()}\n{key.ExportPkcs8PrivateKeyPem()}\n");
        File.WriteAllText(authorityFile, trusted.ExportCertificatePem());
        return $"tls {{ enabled = on, certificate-file = \"{certificateFile}\", ca-file = \"{authorityFile}\" }}";
    }
}
