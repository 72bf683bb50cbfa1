using System.Text.Json;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.AspNetCore.Hosting.Server;
using Microsoft.AspNetCore.Hosting.Server.Features;
using Microsoft.AspNetCore.Http;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.Tests.Push;

/// <summary>An HTTP endpoint that gets pushes, notes them and answers as the test says.</summary>
internal sealed class PushEndpoint : IAsyncDisposable
{
    private readonly WebApplication _app;
    private readonly Func<Pushed, int> _answer;
    private int _underWay;
    private int _most;

    private PushEndpoint(Func<Pushed, int> answer, Func<Task>? before)
    {
        _answer = answer;
        var builder = WebApplication.CreateSlimBuilder();
        builder.Logging.ClearProviders();
        builder.WebHost.UseUrls("http://127.0.0.1:0");
        _app = builder.Build();
        _app.Run(async http =>
        {
            var now = Interlocked.Increment(ref _underWay);
            InterlockedMax(now);
            if (before is not null)
            {
                await before();
            }

            using var body = new MemoryStream();
            await http.Request.Body.CopyToAsync(body);
            var pushed = new Pushed(http.Request.Headers.ToDictionary(h => h.Key.ToLowerInvariant(), h => h.Value.ToString()), body.ToArray());
            Received.Add(pushed);
            http.Response.StatusCode = _answer(pushed);
            Interlocked.Decrement(ref _underWay);
        });
    }

    public PushedList Received { get; } = new();

    /// <summary>The most requests that were under way at a time.</summary>
    public int Most => _most;

    public string Url => _app.Services.GetRequiredService<IServer>().Features.Get<IServerAddressesFeature>()!.Addresses.First() + "/push";

    public static Task<PushEndpoint> StartAsync(int status = 200) => StartAsync(_ => status);

    public static async Task<PushEndpoint> StartAsync(Func<Pushed, int> answer, Func<Task>? before = null)
    {
        var endpoint = new PushEndpoint(answer, before);
        await endpoint._app.StartAsync();
        return endpoint;
    }

    public ValueTask DisposeAsync() => _app.DisposeAsync();

    private void InterlockedMax(int value)
    {
        for (var most = _most; value > most; most = _most)
        {
            Interlocked.CompareExchange(ref _most, value, most);
        }
    }

    /// <summary>What was pushed, in the order of arrival.</summary>
    internal sealed class PushedList
    {
        private readonly List<Pushed> _all = [];

        public IReadOnlyList<Pushed> All
        {
            get
            {
                lock (_all)
                {
                    return [.. _all];
                }
            }
        }

        public void Add(Pushed pushed)
        {
            lock (_all)
            {
                _all.Add(pushed);
            }
        }
    }
}

/// <param name="Headers">Names in lower case.</param>
/// <param name="Body">The body.</param>
internal sealed record Pushed(IReadOnlyDictionary<string, string> Headers, byte[] Body)
{
    public JsonElement Json => JsonDocument.Parse(Body).RootElement;

    /// <summary>The data of a wrapped message.</summary>
    public string Data => Convert.FromBase64String(Json.GetProperty("message").GetProperty("data").GetString()!) is var bytes
        ? System.Text.Encoding.UTF8.GetString(bytes) : "";
}
