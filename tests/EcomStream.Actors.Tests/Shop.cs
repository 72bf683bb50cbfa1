using System.Text;
using EcomStream.Core;
using EcomStream.Testing;
using EcomStream.TestSupport;

namespace EcomStream.Actors.Tests;

/// <summary>Messages of a shop, as bytes and as what an order's actor receives.</summary>
internal static class Shop
{
    public static byte[] OrderData(long id, string status = "Pending") =>
        Encoding.UTF8.GetBytes($$"""{"order_id": {{id}}, "item": "Book", "order_status": "{{status}}"}""");

    public static byte[] PaymentData(long orderId, long? paymentId = null, string status = "Completed") =>
        Encoding.UTF8.GetBytes($$"""{"order_id": {{orderId}}, "payment_id": {{paymentId ?? orderId + 1000}}, "payment_status": "{{status}}"}""");

    public static OrderReceived Order(InMemorySubscription source, long id, long at = 1_000_001)
    {
        var delivery = source.Publish(OrderData(id), at);
        OrderCodec.TryDecode(delivery.Data.Span, out var order, out _).ShouldBeTrue();
        return new OrderReceived(order, Stamp.Of(at, delivery.MessageId), delivery);
    }

    public static PaymentReceived Payment(InMemorySubscription source, long orderId, long? paymentId = null, long at = 2_000_001, string status = "Completed", int replays = 0)
    {
        var data = PaymentData(orderId, paymentId, status);
        var attributes = new Dictionary<string, string>
        {
            [DeadLetter.Id] = DeadLetterId.OfPayment(orderId, $"{paymentId ?? orderId + 1000}"),
            [DeadLetter.Replays] = $"{replays}",
        };
        var delivery = replays == 0 ? source.Publish(data, at) : source.Publish(data, attributes, at);
        PaymentCodec.TryDecode(delivery.Data.Span, out var payment, out _).ShouldBeTrue();
        return new PaymentReceived(payment, Stamp.Of(at, delivery.MessageId), delivery);
    }
}
