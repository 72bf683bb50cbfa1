using System.Diagnostics;
using EcomStream.PubSub.Protocol;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;
using Grpc.Net.Client;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub;

/// <summary>What the parts of one subscription share: its names, the channel, the clock and the settings.</summary>
/// <param name="Name">As configured.</param>
/// <param name="Path">The full name.</param>
/// <param name="Channel">The channel of its own.</param>
/// <param name="Client">The generated client on it.</param>
/// <param name="Account">Whose credentials its requests have, for messages to a human.</param>
/// <param name="Settings">All settings.</param>
/// <param name="Time">The clock.</param>
/// <param name="Logger">Where it logs.</param>
/// <param name="Tags">The attributes of its metrics.</param>
internal sealed record SubscriptionCalls(
    string Name,
    string Path,
    GrpcChannel Channel,
    Subscriber.SubscriberClient Client,
    string Account,
    PubSubSettings Settings,
    TimeProvider Time,
    ILogger Logger,
    TagList Tags)
{
    private static readonly Marshaller<StreamingPullRequest> RequestMarshaller = OneWayMarshaller.Writing<StreamingPullRequest>(
        request => request.CalculateSize(), (request, output) => request.WriteTo(output));

    /// <summary>Those of a subscription of a connection.</summary>
    /// <param name="connection">The connection.</param>
    /// <param name="name">The subscription, as configured.</param>
    /// <param name="channel">The channel of its own.</param>
    /// <param name="logger">Where it logs.</param>
    public static SubscriptionCalls Of(PubSubConnection connection, string name, GrpcChannel channel, ILogger logger) => new(
        name,
        connection.Settings.SubscriptionName(name),
        channel,
        new Subscriber.SubscriberClient(channel),
        connection.Account,
        connection.Settings,
        connection.Time,
        logger,
        PubSubMetrics.OfSubscription(name));

    /// <summary>Opens a stream whose responses are read straight into deliveries of <paramref name="settler"/>.</summary>
    public AsyncDuplexStreamingCall<StreamingPullRequest, PullResponse> StreamingPull(IDeliverySettler settler, CancellationToken cancellationToken)
    {
        var method = new Method<StreamingPullRequest, PullResponse>(
            MethodType.DuplexStreaming,
            "google.pubsub.v1.Subscriber",
            "StreamingPull",
            RequestMarshaller,
            OneWayMarshaller.Reading(response => PullResponseReader.Read(response, settler)));
        return Channel.CreateCallInvoker().AsyncDuplexStreamingCall(method, null, new CallOptions(cancellationToken: cancellationToken));
    }

    public async Task AcknowledgeAsync(ArraySegment<PubSubDelivery> deliveries, CancellationToken cancellationToken)
    {
        var request = new AcknowledgeRequest { Subscription = Path };
        request.AckIds.Capacity = deliveries.Count;
        foreach (var delivery in deliveries)
        {
            request.AckIds.Add(delivery.AckId);
        }

        await Client.AcknowledgeAsync(request, Options(Settings.Connection.RequestTimeout, cancellationToken));
    }

    /// <summary>Sets the ack deadline, from now; zero gives the messages back.</summary>
    public async Task ModifyAckDeadlineAsync(
        ArraySegment<PubSubDelivery> deliveries, TimeSpan deadline, TimeSpan timeout, CancellationToken cancellationToken)
    {
        var request = new ModifyAckDeadlineRequest { Subscription = Path, AckDeadlineSeconds = (int)deadline.TotalSeconds };
        request.AckIds.Capacity = deliveries.Count;
        foreach (var delivery in deliveries)
        {
            request.AckIds.Add(delivery.AckId);
        }

        await Client.ModifyAckDeadlineAsync(request, Options(timeout, cancellationToken));
    }

    /// <summary>Gives messages back.</summary>
    public async Task GiveBackAsync(IReadOnlyList<string> ackIds, CancellationToken cancellationToken)
    {
        var request = new ModifyAckDeadlineRequest { Subscription = Path, AckDeadlineSeconds = 0 };
        request.AckIds.AddRange(ackIds);
        await Client.ModifyAckDeadlineAsync(request, Options(Settings.Connection.RequestTimeout, cancellationToken));
    }

    private CallOptions Options(TimeSpan timeout, CancellationToken cancellationToken) =>
        new(deadline: Time.GetUtcNow().UtcDateTime + timeout, cancellationToken: cancellationToken);
}
