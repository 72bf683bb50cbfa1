using System.Diagnostics;
using System.Net;
using EcomStream.PubSub.Broker.Storage;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Grpc.Core;
using Grpc.Health.V1;
using Grpc.Net.Client;
using Grpc.Reflection.V1Alpha;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace EcomStream.PubSub.Broker.Tests.Server;

/// <summary>Health over HTTP and gRPC, and reflection.</summary>
public sealed class HealthTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private volatile bool _diskIsBroken;

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task The_health_check_of_the_image_succeeds_while_the_broker_serves()
    {
        if (OperatingSystem.IsWindows())
        {
            // The image is one of Linux.
            return;
        }

        await using var broker = await StartAsync();
        var port = $"{broker.Broker.Port}";
        (await CheckAsync("ECOMSTREAM_HEALTH_PORT", port)).ShouldBe(0);

        // With the address of the dashboard's server it asks for a path that the broker does not have.
        (await CheckAsync("ECOMSTREAM__HTTP__ADDRESS", $"0.0.0.0:{port}")).ShouldBe(1);
        await broker.DisposeAsync();
        (await CheckAsync("ECOMSTREAM_HEALTH_PORT", port)).ShouldBe(1);

        static async Task<int> CheckAsync(string name, string value)
        {
            var start = new ProcessStartInfo("bash", [Path.Combine(SourceTree.Root, "deploy", "healthcheck.sh")]) { RedirectStandardError = true };
            start.Environment[name] = value;
            using var process = Process.Start(start)!;
            using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(30));
            await process.WaitForExitAsync(deadline.Token);
            return process.ExitCode;
        }
    }

    [Fact]
    public async Task A_broker_serves_until_a_sync_has_failed()
    {
        await using var broker = await StartAsync();
        using var rest = new RestClient(broker.Broker.Endpoint);
        using var channel = GrpcChannel.ForAddress($"http://{broker.Broker.Endpoint}");
        var health = new Health.HealthClient(channel);
        (await rest.SendAsync("GET", "/health")).Status.ShouldBe(HttpStatusCode.OK);
        foreach (var service in (string[])["", "google.pubsub.v1.Publisher", "google.pubsub.v1.Subscriber"])
        {
            (await health.CheckAsync(new HealthCheckRequest { Service = service })).Status.ShouldBe(ServingStatus.Serving);
        }

        using var watch = health.Watch(new HealthCheckRequest());
        (await Next(watch)).ShouldBe(ServingStatus.Serving);

        _diskIsBroken = true;
        await Should.ThrowAsync<RpcException>(broker.PublishAsync("lost"));
        var (status, body) = await rest.SendAsync("GET", "/health");
        status.ShouldBe(HttpStatusCode.ServiceUnavailable);
        body.GetString()!.ShouldContain("could not be synced");
        (await health.CheckAsync(new HealthCheckRequest())).Status.ShouldBe(ServingStatus.NotServing);
        (await Next(watch)).ShouldBe(ServingStatus.NotServing);
    }

    [Fact]
    public async Task A_watch_is_told_that_the_broker_stops()
    {
        var broker = await StartAsync();
        using var channel = GrpcChannel.ForAddress($"http://{broker.Broker.Endpoint}");
        using var watch = new Health.HealthClient(channel).Watch(new HealthCheckRequest { Service = "google.pubsub.v1.Publisher" });
        (await Next(watch)).ShouldBe(ServingStatus.Serving);
        var next = Next(watch);
        await broker.DisposeAsync();
        (await next).ShouldBe(ServingStatus.NotServing);
    }

    [Fact]
    public async Task A_service_that_does_not_exist_is_not_found()
    {
        await using var broker = await StartAsync();
        using var channel = GrpcChannel.ForAddress($"http://{broker.Broker.Endpoint}");
        var health = new Health.HealthClient(channel);
        (await Should.ThrowAsync<RpcException>(async () => await health.CheckAsync(new HealthCheckRequest { Service = "none" }))).StatusCode.ShouldBe(StatusCode.NotFound);
        using var watch = health.Watch(new HealthCheckRequest { Service = "none" });
        (await Next(watch)).ShouldBe(ServingStatus.ServiceUnknown);
    }

    [Fact]
    public async Task Reflection_lists_the_services_and_describes_their_methods()
    {
        await using var broker = await StartAsync();
        using var channel = GrpcChannel.ForAddress($"http://{broker.Broker.Endpoint}");
        using var call = new ServerReflection.ServerReflectionClient(channel).ServerReflectionInfo();
        await call.RequestStream.WriteAsync(new ServerReflectionRequest { ListServices = "" });
        (await call.ResponseStream.MoveNext(CancellationToken.None)).ShouldBeTrue();
        var services = call.ResponseStream.Current.ListServicesResponse.Service.Select(service => service.Name).ToList();
        services.ShouldContain("google.pubsub.v1.Publisher");
        services.ShouldContain("google.pubsub.v1.Subscriber");

        await call.RequestStream.WriteAsync(new ServerReflectionRequest { FileContainingSymbol = "google.pubsub.v1.Publisher.Publish" });
        (await call.ResponseStream.MoveNext(CancellationToken.None)).ShouldBeTrue();
        call.ResponseStream.Current.FileDescriptorResponse.FileDescriptorProto.ShouldContain(Publisher.Descriptor.File.SerializedData);
    }

    private Task<BrokerClient> StartAsync() => BrokerClient.StartReadyAsync(
        _folder.Path, options => options with { Fsync = FsyncPolicy.Always, Files = new BrokerFiles(afterSync: (_, _) => ThrowIfBroken()) });

    private void ThrowIfBroken()
    {
        if (_diskIsBroken)
        {
            throw new IOException("Input/output error");
        }
    }

    private static async Task<ServingStatus> Next(AsyncServerStreamingCall<HealthCheckResponse> watch)
    {
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        (await watch.ResponseStream.MoveNext(deadline.Token)).ShouldBeTrue();
        return watch.ResponseStream.Current.Status;
    }
}
