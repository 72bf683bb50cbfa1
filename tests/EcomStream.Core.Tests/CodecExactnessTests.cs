using System.Globalization;
using System.Numerics;
using System.Text;
using CsCheck;

namespace EcomStream.Core.Tests;

/// <summary>What counts as an exact number, and where an error is.</summary>
public sealed class CodecExactnessTests
{
    [Theory]
    [InlineData("9007199254740993.0", 9_007_199_254_740_993L)]
    [InlineData("\"9223372036854775807.000\"", long.MaxValue)]
    [InlineData("-9.223372036854775808e18", long.MinValue)]
    [InlineData("1E+2", 100L)]
    [InlineData("1200e-2", 12L)]
    [InlineData("-0", 0L)]
    [InlineData("0e99", 0L)]
    [InlineData("0.0000", 0L)]
    [InlineData("12.00000000000000000000000000000000000000", 12L)]
    [InlineData("0.00000000000000000000000000000012e32", 12L)]
    public void A_number_that_is_exactly_an_integer_is_read_however_it_is_written(string id, long expected) =>
        Read(id).ShouldBe(expected);

    [Theory]
    [InlineData("12.00000000000000000000000000000001")]
    [InlineData("0.00000000000000000000000000000001")]
    [InlineData("1e-30")]
    [InlineData("1e-400")]
    [InlineData("9223372036854775807.5")]
    [InlineData("9223372036854775807.00000000000000000001")]
    [InlineData("-9223372036854775809")]
    [InlineData("1e19")]
    [InlineData("1e99999999999")]
    [InlineData("\"1,000\"")]
    [InlineData("\"1e\"")]
    [InlineData("\"-\"")]
    [InlineData("\".5\"")]
    [InlineData("\"\\u0031\\u0032\"")]
    public void A_number_that_would_have_to_be_rounded_is_not_guessed(string id) => Read(id).ShouldBeNull();

    [Fact]
    public void Every_decimal_text_is_read_exactly_or_not_at_all() =>
        Gen.Select(Gen.Long, Gen.Int[-25, 25], Gen.Int[0, 4], Gen.Bool).Sample((digits, exponent, zeros, quoted) =>
        {
            // digits * 10^exponent, as an exact fraction.
            var text = string.Create(CultureInfo.InvariantCulture, $"{digits}{(zeros > 0 ? "." + new string('0', zeros) : "")}e{exponent}");
            var (value, scale) = (new BigInteger(digits), BigInteger.Pow(10, Math.Abs(exponent)));
            BigInteger? exact = exponent >= 0 ? value * scale : value % scale == 0 ? value / scale : null;
            long? expected = exact >= long.MinValue && exact <= long.MaxValue ? (long)exact.Value : null;
            Read(quoted ? $"\"{text}\"" : text).ShouldBe(expected, text);
        });

    [Theory]
    [InlineData("", DecodeErrorKind.InvalidJson, 0)]
    [InlineData("not json", DecodeErrorKind.InvalidJson, 0)]
    [InlineData("  [1]", DecodeErrorKind.NotAnObject, 2)]
    [InlineData("\"text\"", DecodeErrorKind.NotAnObject, 0)]
    [InlineData("{}", DecodeErrorKind.MissingOrderId, 1)]
    [InlineData("{\"item\": \"x\"}", DecodeErrorKind.MissingOrderId, 12)]
    [InlineData("{\"order_id\": null}", DecodeErrorKind.UnusableOrderId, 13)]
    [InlineData("{\"order_id\": 1, \"order_id\": \"x\"}", DecodeErrorKind.UnusableOrderId, 28)]
    public void An_error_says_where_it_is(string json, DecodeErrorKind kind, long position)
    {
        OrderCodec.TryDecode(Encoding.UTF8.GetBytes(json), out _, out var error).ShouldBeFalse();
        error.ShouldBe(new DecodeError(kind, position));
        PaymentCodec.TryDecode(Encoding.UTF8.GetBytes(json), out _, out error).ShouldBeFalse();
        error.ShouldBe(new DecodeError(kind, position));
    }

    [Fact]
    public void A_position_counts_bytes_and_the_byte_order_mark_among_them()
    {
        // "ö" is two bytes, the mark is three.
        byte[] data = [0xef, 0xbb, 0xbf, .. "{\"ö\": 1, \"order_id\": true}"u8];
        OrderCodec.TryDecode(data, out _, out var error).ShouldBeFalse();
        error.ShouldBe(new DecodeError(DecodeErrorKind.UnusableOrderId, 3 + "{\"ö\": 1, \"order_id\": "u8.Length));
    }

    [Theory]
    [InlineData("{\"order_id\": 1, \"item\": \"a\" \"b\"}", 15, 30)]
    [InlineData("{\"order_id\": 1,\n \"item\": tru}", 15, 29)]
    [InlineData("{\"order_id\": 1} x", 14, 17)]
    [InlineData("{\"order_id\": 1, \"item\": \"cut", 14, 28)]
    public void Broken_JSON_is_reported_between_the_last_good_token_and_the_break(string json, long least, long most)
    {
        OrderCodec.TryDecode(Encoding.UTF8.GetBytes(json), out _, out var error).ShouldBeFalse();
        error.Kind.ShouldBe(DecodeErrorKind.InvalidJson);
        error.BytePosition.ShouldBeInRange(least, most);
    }

    [Fact]
    public void Escapes_are_read_in_names_and_in_values()
    {
        OrderCodec.TryDecode(
            """{"order\u005fid": 5, "item": "a\"b\\c\/\n\u00e9\ud83d\ude00", "order_status": "Ship\u0070ed"}"""u8, out var order, out _).ShouldBeTrue();
        order.ShouldBe(new Order { OrderId = 5, Item = "a\"b\\c/\né😀", OrderStatus = "Shipped" });
    }

    [Theory]
    [InlineData("item")]
    [InlineData("shipping_address")]
    public void Half_a_surrogate_pair_in_a_field_that_is_kept_is_malformed_escaped_or_in_bytes(string field)
    {
        byte[] escaped = [.. Encoding.UTF8.GetBytes($$"""{"order_id": 1, "{{field}}": "\udc00"}""")];
        byte[] raw = [.. Encoding.UTF8.GetBytes($$"""{"order_id": 1, "{{field}}": " """), 0xed, 0xa0, 0x80, .. "\"}"u8];
        foreach (var data in new[] { escaped, raw })
        {
            OrderCodec.TryDecode(data, out _, out var error).ShouldBeFalse();
            error.Kind.ShouldBe(DecodeErrorKind.InvalidJson);
        }
    }

    [Fact]
    public void Nesting_that_nobody_reads_is_skipped_as_far_as_the_reader_goes_and_malformed_beyond()
    {
        Decodes(63).ShouldBeTrue();
        Decodes(64).ShouldBeFalse();

        static bool Decodes(int depth) => OrderCodec.TryDecode(
            Encoding.UTF8.GetBytes($$"""{"order_id": 1, "x": {{new string('[', depth)}}{{new string(']', depth)}}}"""), out _, out _);
    }

    [Fact]
    public void Every_optional_field_may_be_missing_and_every_wrong_kind_is_null()
    {
        foreach (var wrong in new[] { "null", "{}", "[]", "{\"a\": [1]}" })
        {
            PaymentCodec.TryDecode(
                Encoding.UTF8.GetBytes($$"""{"payment_id": {{wrong}}, "payment_method": {{wrong}}, "card_last_four": {{wrong}}, "payment_status": {{wrong}}, "payment_datetime": {{wrong}}, "order_id": 1}"""),
                out var payment, out _).ShouldBeTrue(wrong);
            payment.ShouldBe(new Payment { OrderId = 1 });
            OrderCodec.TryDecode(
                Encoding.UTF8.GetBytes($$"""{"customer_id": {{wrong}}, "item": {{wrong}}, "quantity": {{wrong}}, "price": {{wrong}}, "shipping_address": {{wrong}}, "order_status": {{wrong}}, "creation_date": {{wrong}}, "order_id": 1}"""),
                out var order, out _).ShouldBeTrue(wrong);
            order.ShouldBe(new Order { OrderId = 1 });
        }
    }

    [Fact]
    public void A_payment_is_identified_by_its_id_by_the_text_that_was_sent_or_by_its_message()
    {
        new Payment { OrderId = 1, PaymentId = -5 }.Key.ShouldBe("-5");
        new Payment { OrderId = 1, PaymentIdText = "pi_A" }.Key.ShouldBe("~pi_A");
        new Payment { OrderId = 1, PaymentIdText = new string('x', 5_000) }.Key!.Length.ShouldBeLessThan(100);
        new Payment { OrderId = 1 }.Key.ShouldBeNull();
        new PaymentReceived(new Payment { OrderId = 1 }, new Stamp(1), new TestDelivery("{}", "4711", 1)).Key.ShouldBe("@4711");
    }

    [Theory]
    [InlineData("\"pi_A\"", null, "pi_A")]
    [InlineData("\"12\"", 12L, null)]
    [InlineData("12.0", 12L, null)]
    [InlineData("1.5", null, "1.5")]
    [InlineData("99999999999999999999", null, "99999999999999999999")]
    [InlineData("true", null, "true")]
    [InlineData("\"\"", null, null)]
    [InlineData("null", null, null)]
    [InlineData("{}", null, null)]
    public void A_payment_id_is_kept_as_it_was_sent(string json, long? number, string? text)
    {
        PaymentCodec.TryDecode(Encoding.UTF8.GetBytes($$"""{"order_id": 1, "payment_id": {{json}}}"""), out var payment, out _).ShouldBeTrue();
        payment.PaymentId.ShouldBe(number);
        payment.PaymentIdText.ShouldBe(text);
    }

    [Theory]
    [InlineData("\"price\": \"1,234.50\"", PayloadFields.Price)]
    [InlineData("\"price\": true", PayloadFields.Price)]
    [InlineData("\"item\": {\"a\": [1]}", PayloadFields.Item)]
    [InlineData("\"quantity\": 1.5, \"customer_id\": \"x\"", PayloadFields.Quantity | PayloadFields.CustomerId)]
    [InlineData("\"price\": null, \"item\": null", PayloadFields.None)]
    [InlineData("\"price\": \" 7.5 \", \"item\": 3", PayloadFields.None)]
    public void A_value_that_cannot_be_used_is_reported_and_null(string fields, PayloadFields expected)
    {
        OrderCodec.TryDecode(Encoding.UTF8.GetBytes($$"""{"order_id": 1, {{fields}}}"""), out _, out var unusable, out _).ShouldBeTrue();
        unusable.ShouldBe(expected);
    }

    private static long? Read(string id) =>
        OrderCodec.TryDecode(Encoding.UTF8.GetBytes($$"""{"order_id": {{id}}}"""), out var order, out _) ? order.OrderId : null;
}
