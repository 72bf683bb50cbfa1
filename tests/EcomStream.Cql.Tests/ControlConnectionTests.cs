using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using EcomStream.Cql.Cluster;
using EcomStream.Cql.Protocol;
using EcomStream.Cql.TestSupport;
using EcomStream.TestSupport;

namespace EcomStream.Cql.Tests;

/// <summary>How the cluster is found, and what is reported about its nodes.</summary>
public sealed class ControlConnectionTests
{
    [Fact]
    public async Task With_TLS_every_contact_point_is_checked_against_the_name_it_was_given_by()
    {
        using var authority = TestCertificates.Authority("CN=authority");
        using var certificate = TestCertificates.Issue(authority, "CN=node", dnsName: "localhost");
        var folder = Directory.CreateTempSubdirectory("ecomstream-");
        try
        {
            var ca = Path.Combine(folder.FullName, "ca.pem");
            await File.WriteAllTextAsync(ca, authority.ExportCertificatePem());
            await using var cluster = new ScriptedCluster(certificate, "dc1/r1", "dc1/r1", "dc1/r1");
            await using var session = await cluster.ConnectAsync(cluster.Settings with
            {
                ContactPoints = [.. cluster.Nodes.Select(node => $"localhost:{node.Endpoint.Port}")],
                Tls = new CqlTls { CaFile = ca },
            });

            session.Nodes.Count(node => node.IsUp).ShouldBe(3);
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    [Fact]
    public async Task A_contact_point_that_refuses_the_client_does_not_keep_it_from_the_others()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1");
        cluster.Script = request => request is { Opcode: Opcode.Startup, Node: 0 } ? ScriptedCluster.Error(CqlErrorCode.BadCredentials, "not here") : null;
        await using var session = await cluster.ConnectAsync(cluster.Settings with { ContactPoints = [.. cluster.Nodes.Select(node => node.Endpoint.ToString())] });

        session.Nodes.Count(node => node.IsUp).ShouldBe(1);
    }

    [Fact]
    public async Task Wrong_credentials_are_reported_as_that_although_another_contact_point_does_not_answer()
    {
        await using var cluster = new ScriptedCluster("dc1/r1");
        cluster.Script = request => request.Opcode == Opcode.Startup ? ScriptedCluster.Error(CqlErrorCode.BadCredentials, "wrong") : null;
        using var closed = new Socket(AddressFamily.InterNetwork, SocketType.Stream, ProtocolType.Tcp);
        closed.Bind(new IPEndPoint(IPAddress.Loopback, 0));

        var error = await Should.ThrowAsync<CqlAuthenticationException>(() =>
            cluster.ConnectAsync(cluster.Settings with { ContactPoints = [cluster.Nodes[0].Endpoint.ToString(), closed.LocalEndPoint!.ToString()!] }));

        error.Setting.ShouldBe(nameof(CqlSettings.Username));
    }

    [Fact]
    public async Task A_node_that_refuses_the_control_connection_is_passed_over_for_the_next_one()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1", "dc1/r1");
        await using var session = await cluster.ConnectAsync();
        var registered = new ConcurrentBag<int>();
        cluster.Script = request =>
        {
            if (request.Opcode == Opcode.Register)
            {
                registered.Add(request.Node);
                return request.Node == 1 ? ScriptedCluster.Error(CqlErrorCode.Unauthorized, "not for you") : null;
            }

            return null;
        };

        await cluster.Nodes[0].DisposeAsync();

        await Eventually.True(() => registered.Contains(2), "the third node has the control connection");
    }

    [Fact]
    public async Task With_several_datacenters_the_local_one_must_be_named()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc2/r1");

        var error = await Should.ThrowAsync<CqlConfigurationException>(() => cluster.ConnectAsync());

        error.Setting.ShouldBe(nameof(CqlSettings.LocalDatacenter));
        error.Message.ShouldContain("dc1, dc2");
        await using var session = await cluster.ConnectAsync(cluster.Settings with { LocalDatacenter = "dc2" });
        session.LocalDatacenter.ShouldBe("dc2");
    }

    [Fact]
    public async Task A_datacenter_that_does_not_exist_is_refused_by_every_contact_point()
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1");
        var error = await Should.ThrowAsync<CqlConfigurationException>(() => cluster.ConnectAsync(cluster.Settings with
        {
            LocalDatacenter = "nowhere",
            ContactPoints = [.. cluster.Nodes.Select(node => node.Endpoint.ToString())],
        }));
        error.Message.ShouldContain("dc1");
    }

    [Theory]
    [InlineData("down")]
    [InlineData("removed")]
    [InlineData("readdressed")]
    [InlineData("disconnected")]
    public async Task A_node_is_reported_as_lost_when_it_is(string how)
    {
        await using var cluster = new ScriptedCluster("dc1/r1", "dc1/r1");
        await using var session = await cluster.ConnectAsync();
        var lost = new ConcurrentBag<IPEndPoint>();
        var endpoint = cluster.Nodes[1].Endpoint;
        session.OnNodeLost(node => lost.Add(node.Endpoint));
        switch (how)
        {
            case "down":
                await cluster.NodeDownAsync(1);
                break;
            case "removed":
                cluster.Removed.Add(1);
                await cluster.TopologyChangedAsync(1);
                break;
            case "readdressed":
                cluster.Moved[1] = new IPEndPoint(IPAddress.Parse("127.0.0.9"), 9);
                await cluster.TopologyChangedAsync(1);
                break;
            default:
                await cluster.Nodes[1].DisposeAsync();
                break;
        }

        await Eventually.True(() => lost.Contains(endpoint), "the node is reported");
    }

    [Theory]
    [InlineData(true, false)]
    [InlineData(false, true)]
    public async Task Only_a_node_that_closes_the_connection_is_suspected_to_require_TLS(bool isSilent, bool mentionsTls)
    {
        using var listener = new TcpListener(IPAddress.Loopback, 0);
        listener.Start();
        var accepting = Task.Run(async () =>
        {
            while (true)
            {
                var client = await listener.AcceptTcpClientAsync();
                if (!isSilent)
                {
                    client.Dispose();
                }
            }
        });

        var error = await Should.ThrowAsync<CqlNoNodeException>(() => CqlSession.ConnectAsync(
            new CqlSettings { ContactPoints = [listener.LocalEndpoint.ToString()!], ConnectTimeout = TimeSpan.FromSeconds(1) },
            Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance,
            TimeProvider.System,
            default));

        error.Message.Contains("TLS", StringComparison.Ordinal).ShouldBe(mentionsTls);
        listener.Stop();
        await Should.ThrowAsync<Exception>(() => accepting);
    }
}
