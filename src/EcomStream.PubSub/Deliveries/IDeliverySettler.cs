namespace EcomStream.PubSub;

/// <summary>Sends the acks and nacks of deliveries.</summary>
internal interface IDeliverySettler
{
    /// <summary>The name of their subscription, as configured.</summary>
    string Subscription { get; }

    /// <summary>Takes a delivery that was acked or nacked.</summary>
    void Push(PubSubDelivery delivery);
}
