using System.Buffers.Binary;
using System.Collections.Concurrent;
using System.IO.Compression;
using System.Net;
using System.Security.Cryptography.X509Certificates;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Google.Rpc;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Server.Kestrel.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Tests;

/// <summary>
/// A gRPC server that answers each call as the test says: statuses, headers and details that no emulator can be made to
/// send. With a certificate it speaks TLS.
/// </summary>
internal sealed class ScriptedPubSub : IAsyncDisposable
{
    private readonly WebApplication _app;

    private ScriptedPubSub(WebApplication app) => _app = app;

    /// <summary>host:port.</summary>
    public string Endpoint => _app.Urls.Single().Split("://")[1];

    /// <summary>The calls so far, in the order of their start.</summary>
    public ConcurrentQueue<ScriptedCall> Calls { get; } = new();

    public static async Task<ScriptedPubSub> StartAsync(Func<ScriptedCall, Task> answer, X509Certificate2? certificate = null)
    {
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.ConfigureKestrel(kestrel => kestrel.Listen(IPAddress.Loopback, 0, listen =>
        {
            listen.Protocols = HttpProtocols.Http2;
            if (certificate is not null)
            {
                listen.UseHttps(certificate);
            }
        }));
        if (certificate is not null)
        {
            builder.WebHost.UseKestrelHttpsConfiguration();
        }

        var app = builder.Build();
        var server = new ScriptedPubSub(app);
        app.Run(async context =>
        {
            var call = new ScriptedCall(context);
            server.Calls.Enqueue(call);
            context.Response.ContentType = "application/grpc";
            await answer(call);
        });
        await app.StartAsync();
        return server;
    }

    public async ValueTask DisposeAsync()
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMilliseconds(200));
        await _app.StopAsync(patience.Token);
        await _app.DisposeAsync();
    }
}

/// <summary>One call to <see cref="ScriptedPubSub"/>.</summary>
internal sealed class ScriptedCall(HttpContext context)
{
    private const int Prefix = 5;

    // The request's own are gone when it has ended.
    private readonly Dictionary<string, string> _headers = context.Request.Headers.ToDictionary(header => header.Key.ToLowerInvariant(), header => header.Value.ToString());

    /// <summary>Its method, such as Publish.</summary>
    public string Method { get; } = context.Request.Path.Value!.Split('/')[^1];

    /// <summary>The connection that it came over.</summary>
    public string Connection { get; } = context.Connection.Id;

    /// <summary>A header; null without one.</summary>
    public string? Header(string name) => _headers.GetValueOrDefault(name);

    /// <summary>Ends with the client's call.</summary>
    public CancellationToken Aborted => context.RequestAborted;

    /// <summary>Whether the last message came compressed.</summary>
    public bool WasCompressed { get; private set; }

    /// <summary>The client's next message; null when it has sent all.</summary>
    public async Task<T?> ReadAsync<T>()
        where T : class, IMessage<T>, new()
    {
        var prefix = new byte[Prefix];
        if (await context.Request.Body.ReadAtLeastAsync(prefix, Prefix, throwOnEndOfStream: false, Aborted) < Prefix)
        {
            return null;
        }

        var bytes = new byte[BinaryPrimitives.ReadInt32BigEndian(prefix.AsSpan(1))];
        await context.Request.Body.ReadExactlyAsync(bytes, Aborted);
        WasCompressed = prefix[0] == 1;
        var message = new T();
        if (WasCompressed)
        {
            using var unzipped = new GZipStream(new MemoryStream(bytes), CompressionMode.Decompress);
            message.MergeFrom(unzipped);
        }
        else
        {
            message.MergeFrom(bytes);
        }

        return message;
    }

    public async Task WriteAsync(IMessage message)
    {
        var bytes = new byte[Prefix + message.CalculateSize()];
        BinaryPrimitives.WriteInt32BigEndian(bytes.AsSpan(1), bytes.Length - Prefix);
        message.WriteTo(bytes.AsSpan(Prefix));
        await context.Response.Body.WriteAsync(bytes, Aborted);
        await context.Response.Body.FlushAsync(Aborted);
    }

    /// <summary>Ends the call well, with an answer where it is a unary one.</summary>
    public async Task OkAsync(IMessage? answer = null)
    {
        if (answer is not null)
        {
            await WriteAsync(answer);
        }

        context.Response.AppendTrailer("grpc-status", "0");
    }

    /// <summary>Ends the call with a status, and for single ack ids what became of them.</summary>
    public async Task FailAsync(StatusCode status, string detail = "as the test says", IReadOnlyDictionary<string, string>? ackIds = null)
    {
        await context.Response.StartAsync(Aborted);
        if (ackIds is not null)
        {
            var info = new ErrorInfo { Reason = "", Domain = "pubsub.googleapis.com" };
            info.Metadata.Add(new Dictionary<string, string>(ackIds));
            var rich = new Google.Rpc.Status { Code = (int)status, Message = detail, Details = { Any.Pack(info) } };
            context.Response.AppendTrailer("grpc-status-details-bin", Convert.ToBase64String(rich.ToByteArray()));
        }

        context.Response.AppendTrailer("grpc-message", detail);
        context.Response.AppendTrailer("grpc-status", $"{(int)status}");
    }

    /// <summary>A response of StreamingPull with messages whose ack ids and texts are these.</summary>
    public static StreamingPullResponse Messages(bool exactlyOnce, params string[] ids)
    {
        var response = new StreamingPullResponse
        {
            SubscriptionProperties = new StreamingPullResponse.Types.SubscriptionProperties { ExactlyOnceDeliveryEnabled = exactlyOnce },
        };
        response.ReceivedMessages.AddRange(ids.Select(id => new ReceivedMessage
        {
            AckId = id,
            Message = new PubsubMessage { Data = ByteString.CopyFromUtf8(id), MessageId = $"message-{id}", PublishTime = Timestamp.FromDateTime(DateTime.UtcNow) },
        }));
        return response;
    }
}
