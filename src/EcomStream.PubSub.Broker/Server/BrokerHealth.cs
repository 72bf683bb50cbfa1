using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.State;
using Microsoft.AspNetCore.Http;

namespace EcomStream.PubSub.Broker.Server;

/// <summary>Whether the broker takes requests and can make what it answers durable.</summary>
internal sealed class BrokerHealth(BrokerState state, OpenStreams streams)
{
    /// <summary>Why it does not serve; null while it does.</summary>
    public string? Problem =>
        streams.Stopping.IsCancellationRequested ? "The broker is stopping."
        : state.SyncFailure is { } failure ? $"Nothing more can be written: {failure.Message}"
        : null;

    /// <summary>GET /health: 200 or 503, with a line that says why.</summary>
    public Task AnswerAsync(HttpContext http)
    {
        var problem = Problem;
        http.Response.StatusCode = problem is null ? StatusCodes.Status200OK : StatusCodes.Status503ServiceUnavailable;
        http.Response.ContentType = "text/plain; charset=utf-8";
        return http.Response.WriteAsync((problem ?? "The broker serves.") + "\n", http.RequestAborted);
    }
}
