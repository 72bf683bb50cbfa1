using System.Buffers;
using EcomStream.Core;

namespace EcomStream.Chaos.Fuzzing.Targets;

/// <summary>Data of order messages. What is decoded and encoded again is the same order.</summary>
internal sealed class OrderTarget : IFuzzTarget
{
    private static readonly IReadOnlyList<byte[]> _corpus = Corpus.Of(
        """{"order_id": 12, "customer_id": 3, "item": "Lamp", "quantity": 2, "price": 9.5, "shipping_address": "1 Main St", "order_status": "Pending", "creation_date": "2024-01-21"}""",
        """{"order_id": "12", "price": " 9.50 ", "quantity": "x", "item": 1.50, "order_status": true}""",
        """{"order_id": -9223372036854775808, "colour": {"red": [1, 2]}, "item": "\u00e9\ud83d\ude00"}""",
        """{"order_id": 1.2e1, "order_id": "1200e-2", "item": null, "customer_id": 12.0}""");

    public string Name => "order-json";

    public int Weight => 250;

    public void Run(FuzzInput input)
    {
        if (!OrderCodec.TryDecode(input.Next(_corpus, Corpus.JsonTokens), out var order, out var unusable, out var error))
        {
            _ = error.Kind != DecodeErrorKind.None ? error.ToString() : throw new FuzzException("rejected without an error");
            return;
        }

        var again = new ArrayBufferWriter<byte>();
        OrderCodec.Encode(order, again);
        if (!OrderCodec.TryDecode(again.WrittenSpan, out var same, out var none, out var wrong) || same != order || none != default)
        {
            throw new FuzzException($"decoded {order} (unusable {unusable}), and what it is encoded to gives {same} (unusable {none}), {wrong}");
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>Data of payment messages. What is decoded and encoded again is the same payment.</summary>
internal sealed class PaymentTarget : IFuzzTarget
{
    private static readonly IReadOnlyList<byte[]> _corpus = Corpus.Of(
        """{"payment_id": 1012, "order_id": 12, "payment_method": "PayPal", "card_last_four": "1234", "payment_status": "Completed", "payment_datetime": "2024-01-21T45:01:30Z"}""",
        """{"payment_id": "pi_A", "order_id": "12", "card_last_four": 1234, "payment_status": false}""",
        """{"payment_id": 1.5, "order_id": 12.0, "unknown": [[{}]], "payment_method": "\u00fcberweisung"}""",
        """{"order_id": 12, "payment_id": {"a": 1}, "payment_id": ""}""");

    public string Name => "payment-json";

    public int Weight => 250;

    public void Run(FuzzInput input)
    {
        if (!PaymentCodec.TryDecode(input.Next(_corpus, Corpus.JsonTokens), out var payment, out var unusable, out var error))
        {
            _ = error.Kind != DecodeErrorKind.None ? error.ToString() : throw new FuzzException("rejected without an error");
            return;
        }

        // A text that would be a number without its escapes is a number when it is written without them.
        payment = payment with { PaymentIdText = null };
        var again = new ArrayBufferWriter<byte>();
        PaymentCodec.Encode(payment, again);
        if (!PaymentCodec.TryDecode(again.WrittenSpan, out var same, out _, out var wrong) || same != payment)
        {
            throw new FuzzException($"decoded {payment} (unusable {unusable}), and what it is encoded to gives {same}, {wrong}");
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
