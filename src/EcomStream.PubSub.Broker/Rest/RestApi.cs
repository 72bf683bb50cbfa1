using EcomStream.Broker.V1;
using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Faults;
using EcomStream.PubSub.Broker.Iam;
using EcomStream.PubSub.Broker.Services;
using EcomStream.PubSub.Broker.State;
using Google.Cloud.Iam.V1;
using Google.Cloud.PubSub.V1;
using Google.Cloud.PubSub.V1.Schemas;
using Google.Protobuf;
using Grpc.Core;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EcomStream.PubSub.Broker.Rest;

/// <summary>
/// The REST API of the service, https://cloud.google.com/pubsub/docs/reference/rest: its methods over HTTP with JSON, on the
/// port of gRPC.
/// </summary>
internal sealed class RestApi
{
    // Made by the first call: the descriptors of the services take a good part of the time of a start.
    private readonly Lazy<RestMethods> _methods;

    public RestApi(BrokerState state, Durability durability, OpenStreams streams, FaultInjection faults, CallErrors errors) =>
        _methods = new Lazy<RestMethods>(() => Methods(state, durability, streams, faults, errors));

    public void Map(IEndpointRouteBuilder endpoints)
    {
        // As Google's emulator answers; health checks look here.
        endpoints.MapGet("/", (HttpContext http) => http.Response.WriteAsync("Ok\n"));
        endpoints.Map("/v1/{**path}", WebPages.Refused(CallAsync));
        endpoints.MapFallback("{**path}", http => RestAnswers.WriteAsync(http, Unknown(http)));
    }

    private async Task CallAsync(HttpContext http)
    {
        try
        {
            var (route, method, value) = _methods.Value.Find(http.Request.Method, http.Request.Path.Value ?? "") ?? throw Unknown(http);
            var request = await RestRequests.ReadAsync(http.Request, route, method, value);
            var response = await method.CallAsync(request, new RestCallContext(http, method.FullName));
            await RestAnswers.WriteAsync(http, StatusCodes.Status200OK, JsonFormatter.Default.Format(response));
        }
        catch (RpcException error)
        {
            await RestAnswers.WriteAsync(http, error);
        }
        catch (BadHttpRequestException broken)
        {
            await RestAnswers.WriteAsync(http, ServiceCalls.Invalid($"The request cannot be read: {broken.Message}"));
        }
        catch (OperationCanceledException) when (http.RequestAborted.IsCancellationRequested)
        {
            // Nobody reads the answer.
        }
        catch (Exception)
        {
            // It is logged where it was thrown.
            await RestAnswers.WriteAsync(http, new RpcException(new Status(StatusCode.Unknown, "Unexpected error; the broker's log names it.")));
        }
    }

    private static RestMethods Methods(BrokerState state, Durability durability, OpenStreams streams, FaultInjection faults, CallErrors errors)
    {
        var methods = new RestMethods(faults, errors)
        {
            Services = [Publisher.Descriptor, Subscriber.Descriptor, SchemaService.Descriptor, IAMPolicy.Descriptor, Inspection.Descriptor],
        };
        Publisher.BindService(methods, new PublisherService(state, durability));
        Subscriber.BindService(methods, new SubscriberService(state, durability, streams));
        SchemaService.BindService(methods, new SchemasService(state, durability));
        IAMPolicy.BindService(methods, new IamService(state, durability));
        Inspection.BindService(methods, new InspectionService(state));
        return methods;
    }

    private static RpcException Unknown(HttpContext http) =>
        new(new Status(StatusCode.NotFound, $"No method is called by {http.Request.Method} {http.Request.Path}."));
}
