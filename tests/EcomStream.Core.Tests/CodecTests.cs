using System.Buffers;
using System.Text;
using CsCheck;

namespace EcomStream.Core.Tests;

public sealed class CodecTests
{
    [Fact]
    public void An_order_as_the_public_scripts_send_it_is_read()
    {
        Order("""{"order_id": 12, "customer_id": 345, "item": "Laptop", "quantity": 2, "price": 99.95, "shipping_address": "1 Main St, Köln", "order_status": "Shipped", "creation_date": "2024-01-21"}""")
            .ShouldBe(new Order
            {
                OrderId = 12, CustomerId = 345, Item = "Laptop", Quantity = 2, Price = 99.95,
                ShippingAddress = "1 Main St, Köln", OrderStatus = "Shipped", CreationDate = "2024-01-21",
            });
    }

    [Fact]
    public void A_payment_with_an_hour_above_23_is_kept_as_sent() =>
        Payment("""{"payment_id": 1, "order_id": 2, "payment_method": "PayPal", "card_last_four": "0123", "payment_status": "Completed", "payment_datetime": "2024-01-21T45:01:30Z"}""")
            .ShouldBe(new Payment
            {
                PaymentId = 1, OrderId = 2, PaymentMethod = "PayPal", CardLastFour = "0123",
                PaymentStatus = "Completed", PaymentDatetime = "2024-01-21T45:01:30Z",
            });

    [Fact]
    public void Unknown_fields_are_ignored_however_deep() =>
        Order("""{"new": {"a": [1, {"order_id": 9}]}, "order_id": 1, "other": [[]], "more": null}""").ShouldBe(new Order { OrderId = 1 });

    [Theory]
    [InlineData("12", 12L)]
    [InlineData("\"12\"", 12L)]
    [InlineData("\"-12\"", -12L)]
    [InlineData("12.0", 12L)]
    [InlineData("1.2e1", 12L)]
    [InlineData("\"12.0\"", 12L)]
    [InlineData("9223372036854775807", long.MaxValue)]
    [InlineData("\"-9223372036854775808\"", long.MinValue)]
    public void An_id_may_be_a_string_where_it_is_exact(string id, long expected) =>
        Order($$"""{"order_id": {{id}}}""").OrderId.ShouldBe(expected);

    [Theory]
    [InlineData("12.5")]
    [InlineData("\"0x12\"")]
    [InlineData("\"\"")]
    [InlineData("\"twelve\"")]
    [InlineData("9223372036854775808")]
    [InlineData("1e400")]
    [InlineData("true")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("[12]")]
    public void An_id_that_is_no_64_bit_integer_makes_a_message_malformed_where_it_stands(string id)
    {
        var json = $$"""{"item": "x", "order_id": {{id}}}""";
        OrderCodec.TryDecode(Encoding.UTF8.GetBytes(json), out _, out var error).ShouldBeFalse();
        error.ShouldBe(new DecodeError(DecodeErrorKind.UnusableOrderId, json.IndexOf(id, 10, StringComparison.Ordinal)));
        PaymentCodec.TryDecode(Encoding.UTF8.GetBytes(json), out _, out var same).ShouldBeFalse();
        same.ShouldBe(error);
    }

    [Theory]
    [InlineData("", DecodeErrorKind.InvalidJson)]
    [InlineData("   ", DecodeErrorKind.InvalidJson)]
    [InlineData("not json", DecodeErrorKind.InvalidJson)]
    [InlineData("{\"order_id\": 1", DecodeErrorKind.InvalidJson)]
    [InlineData("{\"order_id\": 1}}", DecodeErrorKind.InvalidJson)]
    [InlineData("{\"order_id\": 1} {\"order_id\": 2}", DecodeErrorKind.InvalidJson)]
    [InlineData("{\"order_id\": 1,}", DecodeErrorKind.InvalidJson)]
    [InlineData("{'order_id': 1}", DecodeErrorKind.InvalidJson)]
    [InlineData("{\"order_id\": 1, \"item\": \"\\ud800\"}", DecodeErrorKind.InvalidJson)]
    [InlineData("[1, 2", DecodeErrorKind.InvalidJson)]
    [InlineData("[1, 2]", DecodeErrorKind.NotAnObject)]
    [InlineData("\"text\"", DecodeErrorKind.NotAnObject)]
    [InlineData("null", DecodeErrorKind.NotAnObject)]
    [InlineData("12", DecodeErrorKind.NotAnObject)]
    [InlineData("{}", DecodeErrorKind.MissingOrderId)]
    [InlineData("{\"item\": \"order_id\"}", DecodeErrorKind.MissingOrderId)]
    public void What_is_no_object_with_an_id_is_malformed_and_says_how(string json, DecodeErrorKind kind)
    {
        OrderCodec.TryDecode(Encoding.UTF8.GetBytes(json), out var order, out var error).ShouldBeFalse();
        order.ShouldBeNull();
        error.Kind.ShouldBe(kind);
        error.BytePosition.ShouldBeInRange(0, json.Length);
        error.ToString().ShouldContain(kind.ToString());
    }

    [Fact]
    public void Bytes_that_are_no_UTF_8_and_nesting_without_end_are_malformed()
    {
        byte[] broken = [.. "{\"order_id\": 1, \"item\": \""u8, 0xff, 0xfe, .. "\"}"u8];
        OrderCodec.TryDecode(broken, out _, out var error).ShouldBeFalse();
        error.Kind.ShouldBe(DecodeErrorKind.InvalidJson);
        var deep = Encoding.UTF8.GetBytes("{\"a\":" + new string('[', 10_000));
        OrderCodec.TryDecode(deep, out _, out error).ShouldBeFalse();
        error.Kind.ShouldBe(DecodeErrorKind.InvalidJson);
    }

    [Fact]
    public void An_optional_field_that_cannot_be_used_is_null_and_does_not_make_the_message_malformed() =>
        Order("""{"order_id": 1, "quantity": "many", "price": {}, "item": ["x"], "customer_id": 1.5, "order_status": null}""")
            .ShouldBe(new Order { OrderId = 1 });

    [Fact]
    public void Text_may_come_as_a_number_or_a_truth_value()
    {
        Payment("""{"order_id": 1, "card_last_four": 1234, "payment_status": true}""")
            .ShouldBe(new Payment { OrderId = 1, CardLastFour = "1234", PaymentStatus = "true" });
        Order("""{"order_id": 1, "price": "12.50"}""").Price.ShouldBe(12.5);
        Order("""{"order_id": 1, "price": "NaN"}""").Price.ShouldBeNull();
        Order("""{"order_id": 1, "price": 1e999}""").Price.ShouldBeNull();
    }

    [Fact]
    public void The_last_of_a_repeated_field_counts_and_a_byte_order_mark_is_skipped()
    {
        Order("""{"order_id": 1, "order_id": 2}""").OrderId.ShouldBe(2);
        OrderCodec.TryDecode([0xef, 0xbb, 0xbf, .. "{\"order_id\": 3}"u8], out var order, out _).ShouldBeTrue();
        order.OrderId.ShouldBe(3);
    }

    [Fact]
    public void What_is_encoded_is_read_back_the_same()
    {
        var text = Gen.String.Where(s => s.EnumerateRunes().All(rune => rune.Value != 0xFFFD)).Null();
        Gen.Select(Gen.Long, Gen.Long.Nullable(), text, Gen.Double.Where(double.IsFinite).Nullable(), text)
            .Sample((id, number, words, price, more) =>
            {
                var order = new Order { OrderId = id, CustomerId = number, Item = words, Quantity = number, Price = price, ShippingAddress = more, OrderStatus = words, CreationDate = more };
                var bytes = new ArrayBufferWriter<byte>();
                OrderCodec.Encode(order, bytes);
                OrderCodec.TryDecode(bytes.WrittenSpan, out var sameOrder, out _).ShouldBeTrue();
                sameOrder.ShouldBe(order);

                var payment = new Payment { OrderId = id, PaymentId = number, PaymentMethod = words, CardLastFour = more, PaymentStatus = words, PaymentDatetime = more };
                bytes = new ArrayBufferWriter<byte>();
                PaymentCodec.Encode(payment, bytes);
                PaymentCodec.TryDecode(bytes.WrittenSpan, out var samePayment, out _).ShouldBeTrue();
                samePayment.ShouldBe(payment);
            });
    }

    [Fact]
    public void No_bytes_whatever_make_the_decoder_throw()
    {
        var valid = """{"order_id": 12, "price": "1.5", "item": "\u00e4", "x": [1, {"y": null}]}"""u8.ToArray();
        Gen.Select(Gen.Int[0, valid.Length - 1], Gen.Byte, Gen.Int[0, valid.Length]).Sample((at, value, length) =>
        {
            var bytes = valid.ToArray();
            bytes[at] = value;
            OrderCodec.TryDecode(bytes.AsSpan(0, length), out _, out var error);
            error.BytePosition.ShouldBeInRange(0, length);
            PaymentCodec.TryDecode(bytes.AsSpan(0, length), out _, out _);
        });
    }

    private static Order Order(string json)
    {
        OrderCodec.TryDecode(Encoding.UTF8.GetBytes(json), out var order, out var error).ShouldBeTrue(error.ToString());
        return order;
    }

    private static Payment Payment(string json)
    {
        PaymentCodec.TryDecode(Encoding.UTF8.GetBytes(json), out var payment, out var error).ShouldBeTrue(error.ToString());
        return payment;
    }
}
