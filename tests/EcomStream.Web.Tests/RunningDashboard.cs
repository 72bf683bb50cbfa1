using System.Net;
using System.Net.Http.Json;
using System.Text;
using System.Text.Json;
using Akka.Configuration;
using EcomStream.Actors;
using EcomStream.Core;
using EcomStream.Hosting;
using EcomStream.TestSupport;
using Microsoft.Extensions.Logging;

namespace EcomStream.Web.Tests;

/// <summary>
/// A pipeline with its dashboard in this process: embedded broker, SQLite, and these orders and payments: order 17 with
/// payment 1017; payments without an order 900-1900, 901-1901, 902-1902 (dead-lettered), the first with a card number.
/// </summary>
public sealed class RunningDashboard : IAsyncLifetime
{
    public const string CardNumber = "4111111111111111";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ecomstream-");
    private JoinProcess? _process;

    public string Url { get; private set; } = "";

    public HttpClient Client { get; private set; } = null!;

    internal JoinProcess Process => _process!;

    /// <summary>More settings, in HOCON; set before the start.</summary>
    internal string More { get; init; } = "ecomstream.http.actions = on";

    public async Task InitializeAsync()
    {
        await StartAsync("127.0.0.1:0");
        await PublishAsync("orders_data", """{"order_id": 17, "item": "lamp", "order_status": "Shipped"}""");
        await PublishAsync("payments_data", """{"order_id": 17, "payment_id": 1017, "card_last_four": "4242"}""");
        for (var n = 0; n < 3; n++)
        {
            await PublishAsync("payments_data", $$"""{"order_id": {{900 + n}}, "payment_id": {{1900 + n}}, "note": "{{CardNumber}}", "cvv": "123"}""");
        }

        await PublishAsync("orders_data", "<b>no json</b>");
        await Eventually.True(
            async () => (await RowsAsync("dead-lettered")).Count == 4 && (await Process.Store.ReadAsync([17], CancellationToken.None))[0] is { Payment: not null },
            "the messages are joined and dead-lettered");
    }

    /// <summary>What happens when the pipeline fails.</summary>
    internal PipelineFailureAction OnFailure { get; init; } = PipelineFailureAction.StopHost;

    /// <summary>The file of the store.</summary>
    internal string Database => Path.Combine(_folder.FullName, "ecomstream.db");

    public async Task StartAsync(string address, bool waits = true)
    {
        var config = ConfigurationFactory.ParseString(
            $$"""
            ecomstream {
              data-dir = "{{_folder.FullName}}", broker.port = 0, pubsub.project-id = test
              unmatched { grace = 200ms, park-after = 50ms, watermark-idle = 200ms, sweep-interval = 100ms }
              ingest.probe-interval = 100ms, health.check-interval = 200ms
            }
            {{More}}
            """);
        var settings = HostSettings.Read(config, emulatorHost: null);
        var http = HttpSettings.Read(address, settings.Operations);
        _process = await JoinProcess.StartAsync(
            settings, logging => logging.SetMinimumLevel(LogLevel.Information), CancellationToken.None,
            services => HttpService.Add(services, http, settings.Operations.TraceRatio),
            OnFailure);
        Url = _process.Get<HttpService>().Url!;
        Client = new HttpClient(new SocketsHttpHandler { AllowAutoRedirect = false, UseCookies = false }) { BaseAddress = new Uri(Url) };
        if (waits)
        {
            await _process.Pipeline.Started;
        }
    }

    public async Task StopAsync()
    {
        Client.Dispose();
        await _process!.DisposeAsync();
        _process = null;
    }

    public async Task DisposeAsync()
    {
        if (_process is not null)
        {
            await StopAsync();
        }

        _folder.Delete(recursive: true);
    }

    internal Task PublishAsync(string topic, string json) =>
        Process.Publisher.PublishAsync(topic, [new OutgoingMessage(Encoding.UTF8.GetBytes(json), Delivery.NoAttributes)], CancellationToken.None);

    internal async Task<List<UnmatchedPayment>> RowsAsync(string state) =>
        [.. (await Process.Store.ListUnmatchedAsync(new UnmatchedQuery(), CancellationToken.None).ToListAsync()).Where(row => row.State.ToText() == state)];

    internal async Task<JsonElement> GetAsync(string path) => await Client.GetFromJsonAsync<JsonElement>(path);

    /// <summary>Sends a request as the dashboard does.</summary>
    internal async Task<(HttpStatusCode Status, JsonElement Body)> PostAsync(string path, object body, Action<HttpRequestMessage>? change = null)
    {
        using var request = new HttpRequestMessage(HttpMethod.Post, path) { Content = JsonContent.Create(body) };
        request.Headers.Add(AccessControl.ActionHeader, "1");
        change?.Invoke(request);
        using var response = await Client.SendAsync(request);
        return (response.StatusCode, await response.Content.ReadFromJsonAsync<JsonElement>());
    }
}
