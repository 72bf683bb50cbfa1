using System.Buffers.Binary;
using System.Net;
using System.Net.Sockets;
using EcomStream.Cassandra.Protocol;

namespace EcomStream.Cassandra.Tests;

/// <summary>Speaks protocol v4 and answers each request as the test says; it refuses v5, as an older server does.</summary>
internal sealed class ScriptedNode : IAsyncDisposable
{
    private const byte Version = 4;
    private const byte ResponseBit = 0x80;

    private readonly TcpListener _listener = new(IPAddress.Loopback, 0);
    private readonly Func<Opcode, byte[], (Opcode, Action<ByteWriter>)> _answer;
    private readonly CancellationTokenSource _closing = new();
    private readonly Task _serving;

    public ScriptedNode(Func<Opcode, byte[], (Opcode, Action<ByteWriter>)> answer)
    {
        _answer = answer;
        _listener.Start();
        _serving = Task.Run(ServeAsync);
    }

    public IPEndPoint Endpoint => (IPEndPoint)_listener.LocalEndpoint;

    public async ValueTask DisposeAsync()
    {
        await _closing.CancelAsync();
        _listener.Stop();
        await _serving.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        _closing.Dispose();
    }

    private async Task ServeAsync()
    {
        while (true)
        {
            using var client = await _listener.AcceptTcpClientAsync(_closing.Token);
            try
            {
                await ServeAsync(client.GetStream());
            }
            catch (IOException)
            {
                // The client has gone: the next one.
            }
        }
    }

    private async Task ServeAsync(NetworkStream stream)
    {
        var header = new byte[EnvelopeHeader.Size];
        while (true)
        {
            await stream.ReadExactlyAsync(header, _closing.Token);
            var body = new byte[BinaryPrimitives.ReadInt32BigEndian(header.AsSpan(5))];
            await stream.ReadExactlyAsync(body, _closing.Token);
            var (opcode, write) = header[0] == Version ? _answer((Opcode)header[4], body) : (Opcode.Error, RefuseVersion);
            using var answer = new ByteWriter();
            answer.Take(EnvelopeHeader.Size);
            write(answer);
            var bytes = answer.Written.ToArray();
            EnvelopeHeader.Write(
                bytes, Version | ResponseBit, EnvelopeFlags.None, BinaryPrimitives.ReadInt16BigEndian(header.AsSpan(2)), opcode, bytes.Length - EnvelopeHeader.Size);
            await stream.WriteAsync(bytes, _closing.Token);
        }
    }

    private static void RefuseVersion(ByteWriter body)
    {
        body.Int((int)CqlErrorCode.ProtocolError);
        body.String("Invalid or unsupported protocol version (5); supported versions are (3/v3, 4/v4)");
    }
}
