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
}
