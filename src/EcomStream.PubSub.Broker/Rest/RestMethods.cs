using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Faults;
using Google.Api;
using Google.Protobuf;
using Google.Protobuf.Reflection;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Rest;

/// <summary>The methods that can be called over HTTP, by their google.api.http options. A service is bound to it as to gRPC.</summary>
/// <param name="faults">The faults that calls meet.</param>
/// <param name="errors">What every call passes through then, as over gRPC.</param>
internal sealed class RestMethods(FaultInjection faults, CallErrors errors) : ServiceBinderBase
{
    private readonly List<(RestRoute Route, RestMethod Method)> _routes = [];

    /// <summary>The services whose methods are bound.</summary>
    public required IReadOnlyList<ServiceDescriptor> Services { get; init; }

    /// <summary>The method that a request calls, with the value of the path's variable; null when there is none.</summary>
    public (RestRoute Route, RestMethod Method, string Value)? Find(string httpMethod, string path)
    {
        foreach (var (route, method) in _routes)
        {
            if (route.HttpMethod == httpMethod && route.Match(path) is { } value)
            {
                return (route, method, value);
            }
        }

        return null;
    }

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler)
    {
        var descriptor = Services.Single(service => service.FullName == method.ServiceName).FindMethodByName(method.Name);
        if (descriptor.GetOptions()?.GetExtension(AnnotationsExtensions.Http) is not { } rule)
        {
            return;
        }

        var called = new RestMethod(
            method.FullName, descriptor.InputType,
            async (request, context) => (IMessage)await faults.UnaryServerHandler(
                (TRequest)request, context, (inner, innerContext) => errors.UnaryServerHandler(inner, innerContext, handler!)));
        _routes.AddRange(RestRoute.Of(rule).Select(route => (route, called)));
    }

    /// <summary>Streams are for gRPC alone, as in the service.</summary>
    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler)
    {
    }
}

/// <param name="FullName">Its name on the wire of gRPC.</param>
/// <param name="Request">The type of its request.</param>
/// <param name="CallAsync">Calls it.</param>
internal sealed record RestMethod(string FullName, MessageDescriptor Request, Func<object, ServerCallContext, Task<IMessage>> CallAsync);
