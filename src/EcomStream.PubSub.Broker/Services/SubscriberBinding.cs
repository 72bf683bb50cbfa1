using System.Buffers;
using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Protocol;
using Google.Cloud.PubSub.V1;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>
/// Binds the Subscriber service as generated, but for StreamingPull, whose responses are written from the log without
/// objects (<see cref="RawPullResponse"/>). ASP.NET Core looks for each method on the type that a bind method takes,
/// which is why the two have a bind method and a service each.
/// </summary>
internal static class SubscriberBinding
{
    private const string StreamingPull = nameof(StreamingPull);

    private static readonly Method<StreamingPullRequest, RawPullResponse> RawStreamingPull = new(
        MethodType.DuplexStreaming,
        "google.pubsub.v1.Subscriber",
        StreamingPull,
        OneWayMarshaller.Reading(AllBut.Checked<ReadOnlySequence<byte>, StreamingPullRequest>(StreamingPullRequest.Parser.ParseFrom)),
        OneWayMarshaller.Writing<RawPullResponse>(response => response.Bytes.Length, (response, output) => output.Write(response.Bytes)));

    public static void BindService(ServiceBinderBase binder, Subscriber.SubscriberBase? service) =>
        Subscriber.BindService(new AllBut(binder, StreamingPull), service!);

    public static void BindStreamingPull(ServiceBinderBase binder, StreamingPullService? service) =>
        binder.AddMethod(RawStreamingPull, (DuplexStreamingServerMethod<StreamingPullRequest, RawPullResponse>?)null!);
}
