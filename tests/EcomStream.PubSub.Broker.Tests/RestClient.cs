using System.Net;
using System.Text;
using System.Text.Json;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>Calls the REST API of a server, by default over HTTP/1.1.</summary>
internal sealed class RestClient(string endpoint) : IDisposable
{
    private readonly HttpClient _http = new() { BaseAddress = new Uri($"http://{endpoint}") };

    public Version Version { get; init; } = HttpVersion.Version11;

    public async Task<(HttpStatusCode Status, JsonElement Body)> SendAsync(string method, string path, string? json = null)
    {
        using var request = new HttpRequestMessage(new HttpMethod(method), path) { Version = Version, VersionPolicy = HttpVersionPolicy.RequestVersionExact };
        if (json is not null)
        {
            request.Content = new StringContent(json, Encoding.UTF8, "application/json");
        }

        using var response = await _http.SendAsync(request);
        response.Version.ShouldBe(Version);
        var text = await response.Content.ReadAsStringAsync();
        return (response.StatusCode, text.StartsWith('{') ? JsonDocument.Parse(text).RootElement : JsonSerializer.SerializeToElement(text));
    }

    /// <summary>Calls a method that is to succeed.</summary>
    public async Task<JsonElement> CallAsync(string method, string path, string? json = null)
    {
        var (status, body) = await SendAsync(method, path, json);
        status.ShouldBe(HttpStatusCode.OK, $"{method} {path}: {body}");
        return body;
    }

    public void Dispose() => _http.Dispose();
}
