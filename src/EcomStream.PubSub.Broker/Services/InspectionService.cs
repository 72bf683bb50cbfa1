using EcomStream.Broker.V1;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>ecomstream.broker.v1.Inspection.</summary>
internal sealed class InspectionService(BrokerState state) : Inspection.InspectionBase
{
    public override Task<SubscriptionStatus> GetSubscriptionStatus(GetSubscriptionStatusRequest request, ServerCallContext context)
    {
        try
        {
            var status = state.Subscription(request.Subscription).GetStatus();
            return Task.FromResult(new SubscriptionStatus
            {
                UnackedMessages = status.UnackedMessages,
                OldestUnackedPublishTimeMicros = status.OldestUnackedPublishTimeMicros,
                LeasedMessages = status.LeasedMessages,
                LatestLeaseExpiryMicros = status.LatestLeaseExpiryMicros,
                NowMicros = status.NowMicros,
            });
        }
        catch (InvalidDataException damaged)
        {
            throw new RpcException(new Status(StatusCode.DataLoss, damaged.Message));
        }
    }
}
