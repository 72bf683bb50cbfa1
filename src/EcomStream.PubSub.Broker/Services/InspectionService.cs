using EcomStream.Broker.V1;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>ecomstream.broker.v1.Inspection.</summary>
[BindServiceMethod(typeof(InspectionBinding), nameof(InspectionBinding.BindService))]
internal sealed class InspectionService(BrokerState state) : Inspection.InspectionBase
{
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
}

/// <summary>Binds the Inspection service as generated, with the errors of <see cref="AllBut"/>.</summary>
internal static class InspectionBinding
{
    public static void BindService(ServiceBinderBase binder, Inspection.InspectionBase? service) => Inspection.BindService(new AllBut(binder, ""), service!);
}
