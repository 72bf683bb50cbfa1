using System.Buffers.Binary;
using System.Net;
using System.Net.Security;
using System.Net.Sockets;
using System.Security.Authentication;
using System.Security.Cryptography.X509Certificates;
using EcomStream.Cql.Protocol;

namespace EcomStream.Cql.TestSupport;

/// <summary>Speaks protocol v4 and answers each request as the test says; it refuses v5, as an older server does.</summary>
internal sealed class ScriptedNode : IAsyncDisposable
{
    private const byte Version = 4;
    private const byte ResponseBit = 0x80;
    private const short PushedStream = -1;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Func<Opcode, byte[], (Opcode, Action<ByteWriter>)?> _answer;
    private readonly CancellationTokenSource _closing = new();
    private readonly SemaphoreSlim _writing = new(1, 1);
    private readonly X509Certificate2? _certificate;
    private readonly List<Stream> _registered = [];
    private readonly Task _serving;

    /// <param name="answer">The answer to a request; null for none.</param>
    /// <param name="certificate">The certificate for TLS; null for no TLS.</param>
    public ScriptedNode(Func<Opcode, byte[], (Opcode, Action<ByteWriter>)?> answer, X509Certificate2? certificate = null)
    {
        (_answer, _certificate) = (answer, certificate);
        _listener.Start();
        _serving = Task.Run(ServeAsync);
    }

    public IPEndPoint Endpoint => (IPEndPoint)_listener.LocalEndpoint;

    /// <summary>Sends an event to every connection that has registered for them.</summary>
    public async Task PushAsync(Action<ByteWriter> write)
    {
        foreach (var stream in _registered.ToArray())
        {
            await WriteAsync(stream, PushedStream, Opcode.Event, write);
        }
    }

    /// <summary>Closes it and its connections; a test that has, need not care that its cluster does so again.</summary>
    public async ValueTask DisposeAsync()
    {
        if (_closing.IsCancellationRequested)
        {
            return;
        }

        await _closing.CancelAsync();
        _listener.Stop();
        await _serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _closing.Dispose();
        _writing.Dispose();
    }

    private async Task ServeAsync()
    {
        var connections = new List<Task>();
        try
        {
            while (true)
            {
                connections.Add(ServeAsync(await _listener.AcceptTcpClientAsync(_closing.Token)));
            }
        }
        finally
        {
            await Task.WhenAll(connections);
        }
    }

    private async Task ServeAsync(TcpClient client)
    {
        using (client)
        {
            try
            {
                if (_certificate is null)
                {
                    await ServeAsync(client.GetStream());
                    return;
                }

                await using var tls = new SslStream(client.GetStream());
                await tls.AuthenticateAsServerAsync(new SslServerAuthenticationOptions { ServerCertificate = _certificate }, _closing.Token);
                await ServeAsync(tls);
            }
            catch (Exception ended) when (ended is IOException or OperationCanceledException or AuthenticationException)
            {
                // The client has gone, or the test is over.
            }
        }
    }

    private async Task ServeAsync(Stream stream)
    {
        var header = new byte[EnvelopeHeader.Size];
        while (true)
        {
            await stream.ReadExactlyAsync(header, _closing.Token);
            var body = new byte[BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(5))];
            await stream.ReadExactlyAsync(body, _closing.Token);
            var request = (Opcode)header[4];
            if (request == Opcode.Register)
            {
                _registered.Add(stream);
            }

            if ((header[0] == Version ? _answer(request, body) : (Opcode.Error, RefuseVersion)) is var (opcode, write))
            {
                await WriteAsync(stream, BinaryPrimitives.ReadInt16BigEndian(header.AsSpan(2)), opcode, write);
            }
        }
    }

    private async Task WriteAsync(Stream stream, short id, Opcode opcode, Action<ByteWriter> write)
    {
        using var answer = new ByteWriter();
        answer.Take(EnvelopeHeader.Size);
        write(answer);
        var bytes = answer.Written.ToArray();
        EnvelopeHeader.Write(bytes, Version | ResponseBit, EnvelopeFlags.None, id, opcode, bytes.Length - EnvelopeHeader.Size);
        await _writing.WaitAsync(_closing.Token);
        try
        {
            await stream.WriteAsync(bytes, _closing.Token);
        }
        finally
        {
            _writing.Release();
        }
    }

    private static void RefuseVersion(ByteWriter body)
    {
        body.Int((int)CqlErrorCode.ProtocolError);
        body.String("Invalid or unsupported protocol version (5); supported versions are (3/v3, 4/v4)");
    }
}
