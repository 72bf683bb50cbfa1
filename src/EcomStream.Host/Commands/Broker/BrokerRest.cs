using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using System.Text.Json.Nodes;
using EcomStream.Host.Cli;
using Grpc.Core;

namespace EcomStream.Host.Commands;

/// <summary>The REST API of a running broker, or of an emulator.</summary>
internal sealed class BrokerRest : IDisposable
{
    private readonly HttpClient _http;
    private readonly string _endpoint;
    private readonly string _project;

    /// <param name="settings">They say where the broker listens, by PUBSUB_EMULATOR_HOST, the data folder or ecomstream.broker.</param>
    /// <param name="project">The project of names that are not full; the settings' when null.</param>
    public BrokerRest(HostSettings settings, string? project)
    {
        var address = settings.BrokerHost is "0.0.0.0" or "::" ? "127.0.0.1" : settings.BrokerHost;
        _endpoint = settings.PubSub.EmulatorHost.Length > 0
            ? settings.PubSub.EmulatorHost
            : BrokerEndpointFile.Read(settings) ?? $"{address}:{settings.BrokerPort}";
        _project = $"projects/{project ?? settings.PubSub.ProjectId}";
        _http = new HttpClient { BaseAddress = new Uri($"http://{_endpoint}/v1/") };
    }

    /// <summary>All items of a list of the project, page by page.</summary>
    /// <param name="kind">topics or subscriptions.</param>
    /// <param name="stop">Cancels it.</param>
    public async Task<IReadOnlyList<JsonNode>> ListAsync(string kind, CancellationToken stop)
    {
        var items = new List<JsonNode>();
        var token = "";
        do
        {
            var page = await CallAsync(HttpMethod.Get, $"{_project}/{kind}?pageSize=1000&pageToken={Uri.EscapeDataString(token)}", null, stop);
            items.AddRange(page[kind]?.AsArray().OfType<JsonNode>() ?? []);
            token = (string?)page["nextPageToken"] ?? "";
        }
        while (token.Length > 0);
        return items;
    }

    /// <summary>A full name, for an id of the project.</summary>
    public string Name(string kind, string name) => name.StartsWith("projects/", StringComparison.Ordinal) ? name : $"{_project}/{kind}/{name}";

    /// <exception cref="NotFoundException">What the path names does not exist.</exception>
    /// <exception cref="RpcException">The broker refuses.</exception>
    /// <exception cref="CommandFailedException">The broker is unavailable.</exception>
    public async Task<JsonObject> CallAsync(HttpMethod method, string path, JsonObject? body, CancellationToken stop)
    {
        try
        {
            using var request = new HttpRequestMessage(method, path.Replace("%", "%25", StringComparison.Ordinal))
            {
                Content = body is null ? null : JsonContent.Create(body),
            };
            using var response = await _http.SendAsync(request, stop);
            var text = await response.Content.ReadAsStringAsync(stop);
            return response.IsSuccessStatusCode ? JsonNode.Parse(text)!.AsObject() : throw Error(text, (int)response.StatusCode);
        }
        catch (HttpRequestException error)
        {
            throw new CommandFailedException($"The broker at {_endpoint} is unavailable: {error.Message.TrimEnd('.')}. Start it with `ecomstream broker`, or set PUBSUB_EMULATOR_HOST to its address.");
        }
        catch (JsonException)
        {
            throw new CommandFailedException($"The server at {_endpoint} is not a Pub/Sub server: its answer is not JSON. Set PUBSUB_EMULATOR_HOST to the address of one.");
        }
    }

    public void Dispose() => _http.Dispose();

    /// <summary>The data of a message as text, where it is UTF-8.</summary>
    public static (string Data, string Encoding) Data(JsonNode message)
    {
        var base64 = (string?)message["data"] ?? "";
        try
        {
            return (new UTF8Encoding(false, throwOnInvalidBytes: true).GetString(Convert.FromBase64String(base64)), "text");
        }
        catch (DecoderFallbackException)
        {
            return (base64, "base64");
        }
    }

    private static Exception Error(string text, int status)
    {
        var error = JsonNode.Parse(text)?["error"];
        var message = (string?)error?["message"] ?? text;
        return status == 404
            ? new NotFoundException(message)
            : new RpcException(new Status(
                Enum.TryParse<StatusCode>(((string?)error?["status"] ?? "").Replace("_", "", StringComparison.Ordinal), ignoreCase: true, out var code) ? code : StatusCode.Unknown,
                message));
    }
}
