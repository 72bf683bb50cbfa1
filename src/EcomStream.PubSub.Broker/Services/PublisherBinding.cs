using System.Buffers;
using Google.Cloud.PubSub.V1;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>Binds the Publisher service as generated, but for Publish, as <see cref="SubscriberBinding"/> does.</summary>
internal static class PublisherBinding
{
    private const string Publish = nameof(Publish);

    private static readonly Method<RawPublishRequest, RawPublishResponse> RawPublish = new(
        MethodType.Unary,
        "google.pubsub.v1.Publisher",
        Publish,
        Marshallers.Create<RawPublishRequest>(
            (_, _) => throw new NotSupportedException("The broker reads these requests and never writes them."),
            context => RawPublishRequest.Read(context.PayloadAsReadOnlySequence())),
        Marshallers.Create<RawPublishResponse>(
            (response, context) =>
            {
                var bytes = response.Serialize();
                context.SetPayloadLength(bytes.Length);
                context.GetBufferWriter().Write(bytes.Span);
                context.Complete();
            },
            _ => throw new NotSupportedException("The broker writes these responses and never reads them.")));

    public static void BindService(ServiceBinderBase binder, Publisher.PublisherBase? service) =>
        Publisher.BindService(new AllBut(binder, Publish), service!);

    public static void BindPublish(ServiceBinderBase binder, PublishService? service) =>
        binder.AddMethod(RawPublish, (UnaryServerMethod<RawPublishRequest, RawPublishResponse>?)null!);
}
