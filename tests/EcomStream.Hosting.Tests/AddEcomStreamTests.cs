using System.Text;
using Akka.Configuration;
using EcomStream.Actors;
using EcomStream.Core;
using EcomStream.PubSub.Broker;
using EcomStream.TestSupport;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EcomStream.Hosting.Tests;

public sealed class AddEcomStreamTests : IDisposable
{
    private static readonly TimeSpan Patience = TimeSpan.FromSeconds(20);
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ecomstream-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task A_generic_host_runs_a_pipeline_and_drains_it_when_it_stops()
    {
        using var host = Build(Settings());
        await host.StartAsync();
        var pipeline = host.Services.GetRequiredService<EcomStreamPipeline>();
        await pipeline.Started.WaitAsync(Patience);

        var ports = host.Services.GetRequiredService<PipelineService>().Resources.Ports;
        await ports.Publisher.PublishAsync("orders_data", [Message("""{"order_id": 17, "item": "lamp"}""")], CancellationToken.None);
        await ports.Publisher.PublishAsync("payments_data", [Message("""{"order_id": 17, "payment_id": 1017}""")], CancellationToken.None);
        await Eventually.True(
            async () => (await ports.Store.ReadAsync([17], CancellationToken.None))[0] is { Order.Item: "lamp", Payment.PaymentId: 1017 }, "the joined row");

        await host.StopAsync();
        pipeline.Completion.IsCompletedSuccessfully.ShouldBeTrue();
        await AssertFolderIsFree();
    }

    [Fact]
    public async Task A_start_that_fails_closes_what_it_has_opened()
    {
        var builder = new HostApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddEcomStream(Settings());
        builder.Services.AddHostedService<FailingService>();
        using (var host = builder.Build())
        {
            (await Should.ThrowAsync<InvalidOperationException>(() => host.StartAsync())).Message.ShouldBe(FailingService.Message);
            File.Exists(Path.Combine(_folder.FullName, "broker.endpoint")).ShouldBeTrue();
        }

        File.Exists(Path.Combine(_folder.FullName, "broker.endpoint")).ShouldBeFalse();
        await AssertFolderIsFree();
    }

    [Fact]
    public async Task A_broker_whose_endpoint_cannot_be_published_is_stopped()
    {
        _folder.CreateSubdirectory("broker.endpoint");
        using var host = Build(Settings());
        await Should.ThrowAsync<UnauthorizedAccessException>(() => host.StartAsync());
        await AssertFolderIsFree();
    }

    [Fact]
    public async Task The_pipeline_is_not_a_service_before_the_start()
    {
        using var host = Build(Settings());
        Should.Throw<InvalidOperationException>(() => host.Services.GetRequiredService<EcomStreamPipeline>()).Message.ShouldContain("has not started");
        await host.StopAsync();
    }

    [Fact]
    public void A_wrong_setting_is_rejected_when_the_services_are_added() =>
        Should.Throw<ConfigurationException>(() => new ServiceCollection().AddEcomStream(ConfigurationFactory.ParseString("ecomstream.unmatched.graze = 5s")))
            .Message.ShouldContain("ecomstream.unmatched.grace");

    [Theory]
    [InlineData(PipelineFailureAction.StopHost, true)]
    [InlineData(PipelineFailureAction.None, false)]
    public async Task A_pipeline_that_fails_stops_its_host_unless_told_otherwise(PipelineFailureAction action, bool stops)
    {
        await File.WriteAllTextAsync(Path.Combine(_folder.FullName, "ecomstream.db"), string.Concat(Enumerable.Repeat("this is not a database. ", 500)));
        using var host = Build(Settings(), options => options.OnFailure = action);
        var stopping = host.Services.GetRequiredService<IHostApplicationLifetime>().ApplicationStopping;
        try
        {
            await host.StartAsync();
        }
        catch (OperationCanceledException)
        {
            // The pipeline failed while the host was starting.
        }

        var pipeline = host.Services.GetRequiredService<EcomStreamPipeline>();
        await Should.ThrowAsync<StoreRejectedException>(() => pipeline.Completion.WaitAsync(Patience));
        if (stops)
        {
            await Eventually.True(() => stopping.IsCancellationRequested, "the host stops");
        }
        else
        {
            stopping.IsCancellationRequested.ShouldBeFalse();
        }

        await host.StopAsync();
    }

    private static OutgoingMessage Message(string json) => new(Encoding.UTF8.GetBytes(json), Delivery.NoAttributes);

    private Config Settings(string more = "") => ConfigurationFactory.ParseString(
        $"ecomstream {{ data-dir = \"{_folder.FullName}\", broker.port = 0, pubsub.project-id = test }}\n{more}");

    private static IHost Build(Config settings, Action<EcomStreamHostingOptions>? configure = null)
    {
        var builder = new HostApplicationBuilder();
        builder.Logging.ClearProviders();
        builder.Services.AddEcomStream(settings, configure);
        return builder.Build();
    }

    // Two brokers cannot share a folder: that this one starts shows that the other one has ended.
    private async Task AssertFolderIsFree()
    {
        await using var broker = await EmbeddedBroker.StartAsync(
            new EmbeddedBrokerOptions { DataDirectory = Path.Combine(_folder.FullName, "broker"), Port = 0 });
    }

    private sealed class FailingService : IHostedService
    {
        public const string Message = "this service cannot start";

        public Task StartAsync(CancellationToken cancellationToken) => throw new InvalidOperationException(Message);

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
