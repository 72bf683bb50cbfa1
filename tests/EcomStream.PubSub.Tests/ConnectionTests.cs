using System.Diagnostics;
using System.Net;
using System.Net.Sockets;

namespace EcomStream.PubSub.Tests;

public sealed class ConnectionTests
{
    [SkippableFact]
    public async Task A_peer_that_takes_nothing_any_more_breaks_the_connection_soon_after_keep_alive_and_not_after_a_quarter_of_an_hour()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "Only Linux is told how long to wait for an answer to what was sent.");
        using var deaf = new TcpListener(IPAddress.Loopback, 0);
        deaf.Start();
        var settings = TestSettings.Of("localhost:1", hocon: "ecomstream.pubsub.connection.keep-alive = 1s").Connection;
        await using var stream = await PubSubConnection.ConnectAsync(
            new DnsEndPoint("127.0.0.1", ((IPEndPoint)deaf.LocalEndpoint).Port), settings, default);
        using var peer = await deaf.AcceptSocketAsync();
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var clock = Stopwatch.StartNew();

        var broken = await Should.ThrowAsync<IOException>(async () =>
        {
            while (true)
            {
                await stream.WriteAsync(new byte[1 << 20], patience.Token);
            }
        });

        broken.InnerException.ShouldBeOfType<SocketException>().SocketErrorCode.ShouldBe(SocketError.TimedOut);
        clock.Elapsed.ShouldBeLessThan(TimeSpan.FromSeconds(10));
    }

    [SkippableFact]
    public async Task The_second_address_of_a_name_is_connected_to_with_the_same_options()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "Only Linux is told how long to wait for an answer to what was sent.");
        using var server = new TcpListener(IPAddress.Loopback, 0);
        server.Start();
        var port = ((IPEndPoint)server.LocalEndpoint).Port;
        var settings = TestSettings.Of("localhost:1", hocon: "ecomstream.pubsub.connection.keep-alive = 7s").Connection;

        await using var stream = await PubSubConnection.ConnectAsync([IPAddress.Parse("127.0.0.2"), IPAddress.Loopback], port, settings, default);

        var timeout = new byte[4];
        ((NetworkStream)stream).Socket.GetRawSocketOption((int)SocketOptionLevel.Tcp, PubSubConnection.TcpUserTimeout, timeout);
        BitConverter.ToInt32(timeout).ShouldBe(7_000);
    }

    [Fact]
    public async Task A_name_of_which_no_address_answers_is_a_socket_error()
    {
        using var closed = new TcpListener(IPAddress.Loopback, 0);
        closed.Start();
        var port = ((IPEndPoint)closed.LocalEndpoint).Port;
        closed.Stop();
        var settings = TestSettings.Of("localhost:1").Connection;

        (await Should.ThrowAsync<SocketException>(() => PubSubConnection.ConnectAsync([IPAddress.Loopback, IPAddress.Parse("127.0.0.2")], port, settings, default)))
            .SocketErrorCode.ShouldBe(SocketError.ConnectionRefused);
    }
}
