using System.Buffers;
using System.Security.Cryptography.X509Certificates;
using Microsoft.AspNetCore.Connections;
using Microsoft.AspNetCore.Connections.Features;
using Microsoft.AspNetCore.Http.Features;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.AspNetCore.Server.Kestrel.Core.Features;

namespace EcomStream.PubSub.Broker.Server;

/// <summary>
/// HTTP/1.1 and HTTP/2 without TLS on one port. A client that speaks HTTP/2 without asking first begins with a fixed
/// preface (RFC 9113, 3.4), which is not an HTTP/1.1 request. Kestrel chooses HTTP/2 on an endpoint for both where the
/// features of the connection say that TLS has negotiated "h2"; here the first bytes decide, and the features are set by
/// them. The bytes are looked at once and stay in the connection's pipe; everything after them takes the same way as on a
/// port for HTTP/2 alone. Kestrel then expects the scheme https, so that <c>AllowAlternateSchemes</c> has to be set.
/// </summary>
internal static class ProtocolDetection
{
    private static readonly byte[] _preface = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"u8.ToArray();

    /// <summary>Adds the detection to an endpoint.</summary>
    /// <param name="listen">The endpoint.</param>
    /// <param name="patience">How long a connection may be open without a byte.</param>
    public static void UseHttp1AndHttp2(this ListenOptions listen, TimeSpan patience)
    {
        listen.Protocols = HttpProtocols.Http1AndHttp2;
        listen.Use(next => async connection =>
        {
            if (await IsHttp2Async(connection, patience) is { } isHttp2)
            {
                if (isHttp2)
                {
                    connection.Features.Set<ITlsConnectionFeature>(Http2.Instance);
                    connection.Features.Set<ITlsApplicationProtocolFeature>(Http2.Instance);
                }

                await next(connection);
            }
        });
    }

    // Null when the connection ends before it says what it speaks.
    private static async Task<bool?> IsHttp2Async(ConnectionContext connection, TimeSpan patience)
    {
        var stopping = connection.Features.Get<IConnectionLifetimeNotificationFeature>()?.ConnectionClosedRequested ?? default;
        using var wait = CancellationTokenSource.CreateLinkedTokenSource(connection.ConnectionClosed, stopping);
        wait.CancelAfter(patience);
        var input = connection.Transport.Input;
        try
        {
            while (true)
            {
                var read = await input.ReadAsync(wait.Token);
                var isHttp2 = IsHttp2(read.Buffer);
                if (isHttp2 is not null || read.IsCompleted)
                {
                    // Nothing is examined, so that the next reader has it at once.
                    input.AdvanceTo(read.Buffer.Start);
                    return isHttp2 ?? (read.Buffer.IsEmpty ? null : false);
                }

                input.AdvanceTo(read.Buffer.Start, read.Buffer.End);
            }
        }
        catch (Exception gone) when (gone is OperationCanceledException or IOException)
        {
            return null;
        }
    }

    // Null while it can be either.
    private static bool? IsHttp2(ReadOnlySequence<byte> received)
    {
        Span<byte> first = stackalloc byte[_preface.Length];
        first = first[..(int)Math.Min(received.Length, first.Length)];
        received.Slice(0, first.Length).CopyTo(first);
        if (!_preface.AsSpan().StartsWith(first))
        {
            return false;
        }

        return first.Length == _preface.Length ? true : null;
    }

    // What a connection over TLS without a client certificate has when "h2" was negotiated.
    private sealed class Http2 : ITlsConnectionFeature, ITlsApplicationProtocolFeature
    {
        public static readonly Http2 Instance = new();

        public ReadOnlyMemory<byte> ApplicationProtocol { get; } = "h2"u8.ToArray();

        public X509Certificate2? ClientCertificate
        {
            get => null;
            set => throw new NotSupportedException();
        }

        public Task<X509Certificate2?> GetClientCertificateAsync(CancellationToken cancellationToken) => Task.FromResult<X509Certificate2?>(null);
    }
}
