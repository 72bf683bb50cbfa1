using System.Security.Cryptography.X509Certificates;
using Akka.Actor;
using Akka.Actor.Setup;
using Akka.Cluster;
using Akka.Configuration;
using EcomStream.TestSupport;

namespace EcomStream.Cluster.Tests;

/// <summary>How nodes find and trust each other, with real actor systems.</summary>
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

    public async ValueTask DisposeAsync()
    {
        await Task.WhenAll(_systems.Select(system => system.Terminate()));
        Directory.Delete(_folder, recursive: true);
    }

    private static int Up(ActorSystem system) => Akka.Cluster.Cluster.Get(system).State.Members.Count(member => member.Status == MemberStatus.Up);

    private static Task UpAsync(ActorSystem system, int members) =>
        Eventually.True(() => Up(system) == members, $"{members} nodes are up", TimeSpan.FromSeconds(60));

    private ActorSystem Start(string cluster)
    {
        var settings = ClusterSettings.Read(ConfigurationFactory.ParseString($"ecomstream.cluster {{ enabled = on, {cluster} }}"));
        var hocon = ConfigurationFactory.ParseString("akka { loglevel = OFF, stdout-loglevel = OFF, loggers = [] }").WithFallback(settings.ToAkka());
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
