using System.Collections.Concurrent;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Cryptography.X509Certificates;
using System.Text;
using System.Text.Json;

namespace EcomStream.Cluster.Tests;

/// <summary>
/// An API server of Kubernetes that answers every request with a list of pods (v1.PodList of the core API), all on 127.0.0.1:
/// running ones whose port "management" is given, and one that is pending.
/// </summary>
internal sealed class FakeKubernetes : IAsyncDisposable
{
    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly X509Certificate2 _certificate;
    private readonly byte[] _answer;
    private readonly CancellationTokenSource _closing = new();
    private readonly Task _accepting;

    public FakeKubernetes(X509Certificate2 certificate, IEnumerable<int> ports)
    {
        _certificate = certificate;
        var pods = new
        {
            apiVersion = "v1",
            kind = "PodList",
            metadata = new { resourceVersion = "1" },
            items = ports.Select(port => (Port: port, Phase: "Running")).Append((Port: 1, Phase: "Pending")).Select((pod, i) => new
            {
                metadata = new { name = $"orders-{i}", @namespace = "shop" },
                spec = new { containers = new[] { new { name = "ecomstream", ports = new[] { new { name = "management", containerPort = pod.Port } } } } },
                status = new
                {
                    phase = pod.Phase,
                    podIP = "127.0.0.1",
                },
            }),
        };
        var body = JsonSerializer.SerializeToUtf8Bytes(pods);
        _answer = [.. Encoding.ASCII.GetBytes($"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {body.Length}\r\nConnection: close\r\n\r\n"), .. body];
        _listener.Start();
        _accepting = AcceptAsync();
    }

    public int Port => ((IPEndPoint)_listener.LocalEndpoint).Port;

    /// <summary>The request lines so far.</summary>
    public ConcurrentQueue<string> Requests { get; } = new();

    /// <summary>The authorizations so far.</summary>
    public ConcurrentQueue<string> Tokens { get; } = new();

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        _listener.Stop();
        await _accepting;
        _closing.Dispose();
    }

    private async Task AcceptAsync()
    {
        try
        {
            while (true)
            {
                _ = AnswerAsync(await _listener.AcceptTcpClientAsync(_closing.Token));
            }
        }
        catch (Exception ended) when (ended is OperationCanceledException or SocketException or ObjectDisposedException)
        {
            // The test is over.
        }
    }

    private async Task AnswerAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                await using var stream = new SslStream(client.GetStream());
                await stream.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = _certificate }, _closing.Token);
                using var reader = new StreamReader(stream, leaveOpen: true);
                Requests.Enqueue(await reader.ReadLineAsync(_closing.Token) ?? "");
                while (await reader.ReadLineAsync(_closing.Token) is { Length: > 0 } header)
                {
                    if (header.StartsWith("Authorization: ", StringComparison.OrdinalIgnoreCase))
                    {
                        Tokens.Enqueue(header["Authorization: ".Length..]);
                    }
                }

                await stream.WriteAsync(_answer, _closing.Token);
            }
            catch (Exception gone) when (gone is IOException or OperationCanceledException or System.Security.Authentication.AuthenticationException)
            {
                // The client has gone, or does not trust the certificate.
            }
        }
    }
}
