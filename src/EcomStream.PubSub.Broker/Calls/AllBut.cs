using Google.Protobuf;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Calls;

/// <summary>
/// Binds the methods of a service, but for the one that is bound on its own. A request whose bytes are not what the method
/// takes is INVALID_ARGUMENT: with any other status clients would send it again and again.
/// </summary>
internal sealed class AllBut(ServiceBinderBase inner, string name) : ServiceBinderBase
{
    /// <summary>A reader whose error for wrong bytes is a status that says so.</summary>
    public static Func<TInput, TRequest> Checked<TInput, TRequest>(Func<TInput, TRequest> read) => input =>
    {
        try
        {
            return read(input);
        }
        catch (InvalidProtocolBufferException broken)
        {
            throw ServiceCalls.Invalid($"The request is not a {typeof(TRequest).Name}: {broken.Message}");
        }
    };

    public override void AddMethod<TRequest, TResponse>(Method<TRequest, TResponse> method, UnaryServerMethod<TRequest, TResponse>? handler)
    {
        if (method.Name != name)
        {
            inner.AddMethod(Checked(method), handler);
        }
    }

    public override void AddMethod<TRequest, TResponse>(
        Method<TRequest, TResponse> method, DuplexStreamingServerMethod<TRequest, TResponse>? handler)
    {
        if (method.Name != name)
        {
            inner.AddMethod(Checked(method), handler);
        }
    }

    private static Method<TRequest, TResponse> Checked<TRequest, TResponse>(Method<TRequest, TResponse> method)
        where TRequest : class
        where TResponse : class => new(
            method.Type,
            method.ServiceName,
            method.Name,
            new Marshaller<TRequest>(method.RequestMarshaller.ContextualSerializer, Checked(method.RequestMarshaller.ContextualDeserializer)),
            method.ResponseMarshaller);
}
