using System.Net;
using EcomStream.Broker.V1;
using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Faults;
using EcomStream.PubSub.Broker.Iam;
using EcomStream.PubSub.Broker.Publishing;
using EcomStream.PubSub.Broker.Push;
using EcomStream.PubSub.Broker.Rest;
using EcomStream.PubSub.Broker.Services;
using EcomStream.PubSub.Broker.State;
using EcomStream.PubSub.Broker.Testing;
using Google.Cloud.Iam.V1;
using Google.Cloud.PubSub.V1;
using Google.Cloud.PubSub.V1.Schemas;
using Grpc.Health.V1;
using Grpc.Reflection;
using Grpc.Reflection.V1Alpha;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Hosting;
using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.Server;

/// <summary>The server of the broker: gRPC, and REST, on one port without TLS.</summary>
internal static class BrokerServer
{
    private const int MaxStreamsPerConnection = 10_000;

    // What reflection describes. Not made at the start, of which the descriptors would take a good part.
    private static readonly Lazy<Google.Protobuf.Reflection.ServiceDescriptor[]> _services = new(() =>
        [Publisher.Descriptor, Subscriber.Descriptor, SchemaService.Descriptor, IAMPolicy.Descriptor, Inspection.Descriptor, Health.Descriptor, ServerReflection.Descriptor]);

    public static WebApplication Build(
        EmbeddedBrokerOptions options, IPAddress address, BrokerState state, Durability durability, OpenStreams streams, PushTokens tokens,
        FaultInjection faults, TestControls controls)
    {
        // Nothing of the process counts: no appsettings.json, no environment variables, no logging of its own, and no
        // lifetime that takes SIGTERM and SIGINT away from the process.
        var builder = WebApplication.CreateEmptyBuilder(new WebApplicationOptions { ContentRootPath = AppContext.BaseDirectory });
        var errors = new CallErrors(options.LoggerFactory.CreateLogger<CallErrors>(), options.Lenient);
        var health = new BrokerHealth(state, streams);
        builder.Services.AddSingleton<IHostLifetime, NoLifetime>();
        builder.Services.AddRouting();
        builder.Services.AddSingleton(state);
        builder.Services.AddSingleton(durability);
        builder.Services.AddSingleton(streams);
        builder.Services.AddSingleton(errors);
        builder.Services.AddSingleton(faults);
        builder.Services.AddSingleton(health);
        builder.Services.AddSingleton(_ => new ReflectionServiceImpl(_services.Value));
        builder.Services.AddSingleton(_ => new ReflectionV1ServiceImpl(_services.Value));
        builder.Services.AddGrpc(grpc =>
        {
            grpc.Interceptors.Add<FaultInjection>();
            grpc.Interceptors.Add<CallErrors>();
            grpc.MaxReceiveMessageSize = 32 << 20;
            grpc.MaxSendMessageSize = 32 << 20;
        });
        builder.WebHost.UseKestrelCore().ConfigureKestrel(kestrel =>
        {
            // Clients open one stream per subscription on one connection, and a call beyond the limit waits without an error.
            kestrel.Limits.Http2.MaxStreamsPerConnection = MaxStreamsPerConnection;
            kestrel.Limits.MaxConcurrentConnections = options.MaxConnections;

            // A client whose machine has vanished closes no connection: without pings its streams stay open.
            kestrel.Limits.Http2.KeepAlivePingDelay = options.KeepAlivePingDelay;
            kestrel.Limits.Http2.KeepAlivePingTimeout = options.KeepAlivePingTimeout;

            // Windows as large as what a client keeps outstanding, so that a stream is bounded by flow control and not
            // by round trips.
            kestrel.Limits.Http2.InitialConnectionWindowSize = 16 << 20;
            kestrel.Limits.Http2.InitialStreamWindowSize = 8 << 20;
            kestrel.Limits.MaxRequestBodySize = null;
            kestrel.Limits.MinRequestBodyDataRate = null;
            kestrel.Limits.MinResponseDataRate = null;

            // The detection has Kestrel expect https of HTTP/2.
            kestrel.AllowAlternateSchemes = true;
            kestrel.Listen(address, options.Port, listen => listen.UseHttp1AndHttp2(kestrel.Limits.KeepAliveTimeout));
        });
        var app = builder.Build();
        app.MapGrpcService<PublisherService>();
        app.MapGrpcService<PublishService>();
        app.MapGrpcService<SubscriberService>();
        app.MapGrpcService<StreamingPullService>();
        app.MapGrpcService<SchemasService>();
        app.MapGrpcService<IamService>();
        app.MapGrpcService<InspectionService>();
        app.MapGrpcService<HealthService>();
        app.MapGrpcService<ReflectionServiceImpl>();
        app.MapGrpcService<ReflectionV1ServiceImpl>();
        app.MapGet("/health", health.AnswerAsync);
        app.MapGet("/metrics", new BrokerMetrics(state, health).AnswerAsync);
        app.MapGet("/.well-known/openid-configuration", tokens.DiscoverAsync);
        app.MapGet("/.well-known/jwks.json", tokens.KeysAsync);
        new RestApi(state, durability, streams, faults, errors).Map(app);
        if (options.AdminApi)
        {
            new AdminEndpoints(faults, controls).Map(app);
        }

        return app;
    }

    /// <summary>The broker starts and stops with its owner, whatever signals the process gets.</summary>
    private sealed class NoLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
