using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>Binds the methods of a service, but for the one that is bound on its own.</summary>
internal sealed class AllBut(ServiceBinderBase inner, string name) : ServiceBinderBase
{
    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler)
    {
        if (method.Name != name)
        {
            inner.AddMethod(method, handler);
        }
    }

    public override void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler)
    {
        if (method.Name != name)
        {
            inner.AddMethod(method, handler);
        }
    }
}
