using EcomStream.Broker.V1;
using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.State;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>ecomstream.broker.v1.Inspection.</summary>
[BindServiceMethod(typeof(InspectionBinding), nameof(InspectionBinding.BindService))]
internal sealed class InspectionService(BrokerState state) : Inspection.InspectionBase
{
    private const int UsuallyPeeked = 100;
    private const int MostPeeked = 1_000;
    private const int PeekedBytes = 4 << 20;

    public override Task<SubscriptionStatus> GetSubscriptionStatus(GetSubscriptionStatusRequest request, ServerCallContext context)
    {
        try
        {
            var subscription = state.Subscription(request.Subscription);
            subscription.ReaderCalled(request.ClientId);
            var status = subscription.GetStatus();
            return Task.FromResult(new SubscriptionStatus
            {
                UnackedMessages = status.UnackedMessages,
                OldestUnackedPublishTimeMicros = status.OldestUnackedPublishTimeMicros,
                LeasedMessages = status.LeasedMessages,
                LatestLeaseExpiryMicros = status.LatestLeaseExpiryMicros,
                NowMicros = status.NowMicros,
                Readers = status.Readers,
                ReaderRequests = status.ReaderRequests,
            });
        }
        catch (InvalidDataException damaged)
        {
            throw new RpcException(new Status(StatusCode.DataLoss, damaged.Message));
        }
    }

    public override Task<PeekMessagesResponse> PeekMessages(PeekMessagesRequest request, ServerCallContext context)
    {
        var subscription = state.Subscription(request.Subscription);
        if (request.MaxMessages is < 0 or > MostPeeked)
        {
            throw ServiceCalls.Invalid($"max_messages is {request.MaxMessages}; it must be 1 to {MostPeeked}.");
        }

        try
        {
            var messages = subscription.Peek(request.MaxMessages == 0 ? UsuallyPeeked : request.MaxMessages, PeekedBytes);
            return Task.FromResult(new PeekMessagesResponse
            {
                Messages = { messages.Select(peeked => new PeekedMessage { Message = peeked.Message, Leased = peeked.IsLeased, FailedDeliveries = peeked.Failures }) },
            });
        }
        catch (InvalidDataException damaged)
        {
            throw new RpcException(new Status(StatusCode.DataLoss, damaged.Message));
        }
    }
}

/// <summary>Binds the Inspection service as generated, with the errors of <see cref="AllBut"/>.</summary>
internal static class InspectionBinding
{
    public static void BindService(ServiceBinderBase binder, Inspection.InspectionBase? service) => Inspection.BindService(new AllBut(binder, ""), service!);
}
