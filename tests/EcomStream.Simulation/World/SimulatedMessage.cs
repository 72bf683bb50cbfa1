using System.Globalization;
using System.Text;
using System.Text.Json;
using EcomStream.Core;

namespace EcomStream.Simulation;

/// <summary>What kind of message was published.</summary>
internal enum MessageKind
{
    Order,
    Payment,
    Malformed,
}

/// <summary>A message as the shop published it, and what the broker knows of it.</summary>
/// <param name="Kind">What it is.</param>
/// <param name="OrderId">Its order.</param>
/// <param name="PaymentId">Its payment; 0 for an order.</param>
/// <param name="Mark">A value that no other message has: the item of an order, the status of a payment.</param>
/// <param name="Data">Its data.</param>
internal sealed record SimulatedMessage(MessageKind Kind, long OrderId, long PaymentId, string Mark, byte[] Data)
{
    /// <summary>Its attributes.</summary>
    public IReadOnlyDictionary<string, string> Attributes { get; init; } = new Dictionary<string, string>();

    /// <summary>Whether it is a replay of a dead letter.</summary>
    public bool IsReplay => Attributes.Count > 0;

    /// <summary>The id that the broker gave to it.</summary>
    public string Id { get; init; } = "";

    /// <summary>Publish time, microseconds since the Unix epoch.</summary>
    public long PublishTime { get; init; }

    /// <summary>Whether it was acked.</summary>
    public bool IsAcked { get; set; }

    /// <summary>Who holds it; null for nobody.</summary>
    public object? Holder { get; set; }

    /// <summary>Until when, microseconds of virtual time.</summary>
    public long HeldUntil { get; set; }

    /// <summary>How new it is, by the rule of the design: the publish time, and where that has no microseconds the last three digits of the id.</summary>
    public long Stamp => PublishTime % 1000 == 0 ? PublishTime + long.Parse(Id[^Math.Min(3, Id.Length)..], CultureInfo.InvariantCulture) : PublishTime;

    public static SimulatedMessage Order(long orderId, string mark) =>
        new(MessageKind.Order, orderId, 0, mark, Encoding.UTF8.GetBytes($$"""{"order_id": {{orderId}}, "item": "{{mark}}", "quantity": 1}"""));

    public static SimulatedMessage Payment(long orderId, long paymentId, string mark) =>
        new(MessageKind.Payment, orderId, paymentId, mark, Encoding.UTF8.GetBytes($$"""{"order_id": {{orderId}}, "payment_id": {{paymentId}}, "payment_status": "{{mark}}"}"""));

    /// <summary>The message with which an operator gives a dead letter back to the pipeline.</summary>
    /// <param name="row">The row of the payment, with the number of this replay.</param>
    public static SimulatedMessage Replay(UnmatchedPayment row)
    {
        var message = row.ToReplay();
        var payment = JsonDocument.Parse(message.Data).RootElement;
        return new SimulatedMessage(
            MessageKind.Payment, row.OrderId, payment.GetProperty("payment_id").GetInt64(), payment.GetProperty("payment_status").GetString()!, message.Data.ToArray())
        {
            Attributes = message.Attributes,
        };
    }

    public static SimulatedMessage Malformed(string mark) =>
        new(MessageKind.Malformed, 0, 0, mark, Encoding.UTF8.GetBytes($$"""{"mark": "{{mark}}", "order_id" """));

    public override string ToString() => $"{(IsReplay ? "replay of " : "")}{Kind.ToString().ToLowerInvariant()} {Id} ({(Kind == MessageKind.Malformed ? Mark : $"order {OrderId}, {(PaymentId == 0 ? "" : $"payment {PaymentId}, ")}{Mark}")})";
}
