using System.Globalization;
using System.Text;

namespace EcomStream.Core.Tests;

/// <summary>The table of examples in docs/messages.md is what the codecs do.</summary>
public sealed class MessageGrammarTests
{
    private const string OrderKind = "order";
    private const string PaymentKind = "payment";

    public static TheoryData<string, string, string> Examples { get; } = ReadExamples();

    [Theory]
    [MemberData(nameof(Examples))]
    public void The_documented_result_is_the_result_of_the_codec(string kind, string json, string result)
    {
        var data = Encoding.UTF8.GetBytes(json.Replace("<BOM>", "\uFEFF", StringComparison.Ordinal));
        (kind == OrderKind ? DecodeOrder(data) : DecodePayment(data)).ShouldBe(result, json);
    }

    [Theory]
    [InlineData(OrderKind, 30)]
    [InlineData(PaymentKind, 12)]
    public void The_table_of_examples_is_found(string kind, int atLeast) =>
        Examples.Count(row => (string)row[0] == kind).ShouldBeGreaterThanOrEqualTo(atLeast);

    private static TheoryData<string, string, string> ReadExamples()
    {
        var examples = new TheoryData<string, string, string>();
        foreach (var line in File.ReadLines(Path.Combine(AppContext.BaseDirectory, "docs", "messages.md")))
        {
            if (line.Split('|', StringSplitOptions.TrimEntries) is ["", OrderKind or PaymentKind, var json, var result, ""] cells)
            {
                examples.Add(cells[1], Code(json), Code(result));
            }
            else if (line.StartsWith($"| {OrderKind} |", StringComparison.Ordinal) || line.StartsWith($"| {PaymentKind} |", StringComparison.Ordinal))
            {
                throw new InvalidDataException($"docs/messages.md has an example that does not have three columns: {line}");
            }
        }

        return examples;
    }

    private static string Code(string cell) =>
        cell is ['`', .. var code, '`']
            ? code
            : throw new InvalidDataException($"docs/messages.md has an example that is not formatted as code: {cell}");

    private static string DecodeOrder(byte[] data) =>
        !OrderCodec.TryDecode(data, out var order, out var unusable, out var error)
            ? Malformed(error)
            : Result(
                unusable,
                ("order_id", order.OrderId),
                ("customer_id", order.CustomerId),
                ("item", order.Item),
                ("quantity", order.Quantity),
                ("price", order.Price),
                ("shipping_address", order.ShippingAddress),
                ("order_status", order.OrderStatus),
                ("creation_date", order.CreationDate));

    private static string DecodePayment(byte[] data)
    {
        if (!PaymentCodec.TryDecode(data, out var payment, out var unusable, out var error))
        {
            return Malformed(error);
        }

        var key = new PaymentReceived(payment, Stamp.None, new StoredDelivery(data, "m1", 0, "")).Key;
        return Result(
            unusable,
            ("order_id", payment.OrderId),
            ("key", new Bare(key)),
            ("payment_id", payment.PaymentId),
            ("payment_method", payment.PaymentMethod),
            ("card_last_four", payment.CardLastFour),
            ("payment_status", payment.PaymentStatus),
            ("payment_datetime", payment.PaymentDatetime));
    }

    private static string Malformed(DecodeError error) => $"malformed: {error.Kind}";

    private static string Result(PayloadFields unusable, params (string Name, object? Value)[] fields)
    {
        var parts = fields
            .Where(field => field.Value is not null)
            .Select(field => $"{field.Name}={(field.Value is string text ? $"\"{text}\"" : Convert.ToString(field.Value, CultureInfo.InvariantCulture))}")
            .ToList();
        if (unusable != PayloadFields.None)
        {
            parts.Add($"unusable={string.Join(',', PayloadFieldNames.Of(unusable))}");
        }

        return string.Join(' ', parts);
    }

    private sealed record Bare(string Text)
    {
        public override string ToString() => Text;
    }
}
