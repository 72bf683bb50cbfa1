using System.Collections.Immutable;
using System.Diagnostics;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Adds what happens to a message to its span, where it has one.</summary>
internal static class MessageTrace
{
    /// <summary>The actor of the order has decided what to do.</summary>
    public static void Decided(OrderMessage message) => Add(message, "decided");

    /// <summary>The row is durable; the message is about to be acked.</summary>
    public static void Written(OrderMessage message) => Add(message, "written");

    /// <summary>Links payments that have waited to the span of their order.</summary>
    public static void Link(ImmutableArray<WaitingPayment> payments, string order)
    {
        foreach (var payment in payments)
        {
            Link(payment.Message, order);
        }
    }

    /// <summary>Links a payment to the span of its order.</summary>
    /// <param name="payment">The payment.</param>
    /// <param name="order">The id of the order's span, in W3C's format; null when it has none.</param>
    public static void Link(PaymentReceived payment, string? order)
    {
        if (order is not null && payment.HasTrace && payment.Delivery.Trace is { } span && ActivityContext.TryParse(order, null, out var context))
        {
            span.AddLink(new ActivityLink(context, new ActivityTagsCollection { ["ecomstream.link"] = "order" }));
        }
    }

    // HasTrace is checked first because reading the delivery, which another thread used last, costs a cache miss.
    private static void Add(OrderMessage message, string happened)
    {
        if (message.HasTrace)
        {
            message.Delivery.Trace?.AddEvent(new ActivityEvent(happened));
        }
    }
}
