using EcomStream.PubSub.Broker.Calls;
using Grpc.Core;
using Grpc.Health.V1;
using ServingStatus = Grpc.Health.V1.HealthCheckResponse.Types.ServingStatus;

namespace EcomStream.PubSub.Broker.Server;

/// <summary>grpc.health.v1.Health (https://github.com/grpc/grpc/blob/master/doc/health-checking.md): of the broker and of its services alike.</summary>
internal sealed class HealthService(BrokerHealth health, OpenStreams streams) : Health.HealthBase
{
    private static readonly TimeSpan WatchInterval = TimeSpan.FromSeconds(1);

    private static readonly HashSet<string> _services = ["", "google.pubsub.v1.Publisher", "google.pubsub.v1.Subscriber", "google.pubsub.v1.SchemaService"];

    public override Task<HealthCheckResponse> Check(HealthCheckRequest request, ServerCallContext context) =>
        _services.Contains(request.Service)
            ? Task.FromResult(new HealthCheckResponse { Status = Status })
            : throw new RpcException(new Status(StatusCode.NotFound, $"There is no service {request.Service}."));

    public override async Task Watch(HealthCheckRequest request, IServerStreamWriter<HealthCheckResponse> responseStream, ServerCallContext context)
    {
        using var ended = CancellationTokenSource.CreateLinkedTokenSource(context.CancellationToken, streams.Stopping);
        var isKnown = _services.Contains(request.Service);
        ServingStatus? sent = null;
        streams.Opened();
        try
        {
            while (!context.CancellationToken.IsCancellationRequested)
            {
                var isLast = streams.Stopping.IsCancellationRequested;
                var status = isKnown ? Status : ServingStatus.ServiceUnknown;
                if (status != sent)
                {
                    await responseStream.WriteAsync(new HealthCheckResponse { Status = status }, context.CancellationToken);
                    sent = status;
                }

                if (isLast)
                {
                    return;
                }

                await Task.Delay(WatchInterval, ended.Token).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            }
        }
        finally
        {
            streams.Ended();
        }
    }

    private ServingStatus Status => health.Problem is null ? ServingStatus.Serving : ServingStatus.NotServing;
}
