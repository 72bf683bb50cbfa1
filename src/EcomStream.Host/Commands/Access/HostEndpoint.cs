using System.CommandLine;
using System.Net;
using System.Net.Http.Headers;
using System.Text.Json;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands;

/// <summary>The HTTP address of a running host, for the commands that ask one.</summary>
internal sealed class HostEndpoint : IDisposable
{
    private const string DefaultAddress = "127.0.0.1:9090";
    private const string Scheme = "http://";

    private readonly HttpClient _client;

    private HostEndpoint(string address, string token, TimeSpan timeout)
    {
        Address = address;

        // Not through a proxy of the environment: the host is near, and the token is for it alone.
        _client = new HttpClient(new SocketsHttpHandler { UseProxy = false }) { Timeout = timeout };
        if (token.Length > 0)
        {
            _client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", token);
        }
    }

    /// <summary>Host and port that are asked.</summary>
    public string Address { get; }

    /// <summary>The option that names the host.</summary>
    public static Option<string?> Option() => new("--node")
    {
        Description = $"HTTP address of a running host (its --http); ecomstream.http.address when left out, or {DefaultAddress} if that is not set",
        HelpName = "host:port",
    };

    /// <summary>The host that the option or the configuration names.</summary>
    /// <param name="node">What the option says; null for nothing.</param>
    /// <param name="settings">The configuration, with the token.</param>
    /// <param name="timeout">How long an answer may take.</param>
    /// <exception cref="UsageException">The address is not a host and a port.</exception>
    public static HostEndpoint Of(string? node, OperationsSettings settings, TimeSpan timeout)
    {
        var address = node ?? (settings.HttpAddress.Length > 0 ? settings.HttpAddress : DefaultAddress);
        if (address.StartsWith(Scheme, StringComparison.OrdinalIgnoreCase))
        {
            address = address[Scheme.Length..].TrimEnd('/');
        }

        // A host that listens on every address is asked on this machine.
        foreach (var (any, loopback) in ((string, string)[])[("0.0.0.0:", "127.0.0.1:"), ("[::]:", "[::1]:")])
        {
            address = address.StartsWith(any, StringComparison.Ordinal) ? loopback + address[any.Length..] : address;
        }

        return Uri.TryCreate(Scheme + address, UriKind.Absolute, out var uri) && uri is { PathAndQuery: "/", Port: > 0 } && address.LastIndexOf(':') > address.LastIndexOf(']')
            ? new HostEndpoint(address, settings.HttpToken, timeout)
            : throw new UsageException($"--node {address}: must be a host and a port, such as {DefaultAddress}.");
    }

    /// <summary>What the host answers, whatever its status.</summary>
    /// <exception cref="CommandFailedException">No host answers.</exception>
    /// <exception cref="UsageException">The host requires another token.</exception>
    public async Task<(HttpStatusCode Status, JsonElement Body)> AskAsync(string path, CancellationToken stop)
    {
        try
        {
            using var response = await _client.GetAsync(new Uri($"{Scheme}{Address}{path}"), stop);
            if (response.StatusCode == HttpStatusCode.Unauthorized)
            {
                throw new UsageException($"{Address} requires a token: set ecomstream.http.token to that of the host (in the environment, ECOMSTREAM__HTTP__TOKEN).");
            }

            using var document = JsonDocument.Parse(await response.Content.ReadAsStringAsync(stop));
            return (response.StatusCode, document.RootElement.Clone());
        }
        catch (JsonException)
        {
            throw new CommandFailedException($"The server at {Address} is not an EcomStream host.");
        }
        catch (Exception error) when (error is HttpRequestException || (error is TaskCanceledException && !stop.IsCancellationRequested))
        {
            var reason = error is HttpRequestException ? error.Message.TrimEnd('.') : $"no answer within {_client.Timeout.TotalSeconds:0.#} s";
            throw new CommandFailedException(
                $"No host answers at {Address}: {reason}. Start it with --http {Address}, or give the address of another one with --node.");
        }
    }

    /// <summary>What the host answers when it does what it is asked.</summary>
    /// <exception cref="CommandFailedException">No host answers, or it answers with an error.</exception>
    /// <exception cref="UsageException">The host requires another token.</exception>
    public async Task<JsonElement> GetAsync(string path, CancellationToken stop)
    {
        var (status, body) = await AskAsync(path, stop);
        if (status == HttpStatusCode.OK)
        {
            return body;
        }

        var error = body.ValueKind == JsonValueKind.Object && body.TryGetProperty("error", out var text) ? text.GetString() : body.ToString();
        throw new CommandFailedException($"{Address} answers {(int)status}: {error}");
    }

    public void Dispose() => _client.Dispose();
}
