using System.Buffers;
using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Protocol;
using Google.Cloud.PubSub.V1;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Publishing;

/// <summary>Binds the Publisher service as generated, but for Publish.</summary>
internal static class PublisherBinding
{
    private const string Publish = nameof(Publish);

    private static readonly Method<RawPublishRequest, RawPublishResponse> RawPublish = new(
        MethodType.Unary,
        "google.pubsub.v1.Publisher",
        Publish,
        OneWayMarshaller.Reading(RawPublishRequest.Read),
        OneWayMarshaller.Writing<RawPublishResponse>(response => response.Bytes.Length, (response, output) => output.Write(response.Bytes)));

    public static void BindService(ServiceBinderBase binder, Publisher.PublisherBase? service) =>
        Publisher.BindService(new AllBut(binder, Publish), service!);

    public static void BindPublish(ServiceBinderBase binder, PublishService? service) =>
        binder.AddMethod(RawPublish, (UnaryServerMethod<RawPublishRequest, RawPublishResponse>?)null!);
}
