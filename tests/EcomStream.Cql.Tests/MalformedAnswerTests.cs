using EcomStream.Cql.Protocol;

namespace EcomStream.Cql.Tests;

/// <summary>
/// Bytes that no server sends on purpose: a fault of the server or of the network is a <see cref="CqlProtocolException"/>,
/// and does not crash the process, use its memory, or keep a thread busy. Found by fuzzing.
/// </summary>
public sealed class MalformedAnswerTests
{
    [Theory]
    [InlineData(-1)]
    [InlineData(3)]
    [InlineData(100_000_000)]
    [InlineData(int.MaxValue)]
    public void A_number_of_columns_that_the_body_cannot_hold_is_rejected(int count) =>
        Should.Throw<CqlProtocolException>(() => Read(body =>
        {
            body.Int((int)RowsFlags.GlobalTableSpec);
            body.Int(count);
            body.String("k");
            body.String("t");
        }));

    [Theory]
    [InlineData(-1)]
    [InlineData(2)]
    [InlineData(int.MaxValue)]
    public void A_number_of_rows_that_the_body_cannot_hold_is_rejected(int rows) =>
        Should.Throw<CqlProtocolException>(() => Read(body =>
        {
            Column(body, CqlTypeCode.Bigint);
            body.Int(rows);
            body.NullValue();
        }));

    [Fact]
    public void Rows_without_columns_are_rejected_because_nothing_bounds_their_number() =>
        Should.Throw<CqlProtocolException>(() => Read(body =>
        {
            body.Int((int)RowsFlags.None);
            body.Int(0);
            body.Int(int.MaxValue);
        }));

    [Theory]
    [InlineData(CqlTypeCode.List, 60_000)]
    [InlineData(CqlTypeCode.Tuple, 60_000)]
    [InlineData(CqlTypeCode.Map, 60_000)]
    internal void A_type_that_is_nested_without_end_is_rejected_and_does_not_overflow_the_stack(CqlTypeCode code, int depth) =>
        Should.Throw<CqlProtocolException>(() => Read(body =>
        {
            body.Int((int)RowsFlags.GlobalTableSpec);
            body.Int(1);
            body.String("k");
            body.String("t");
            body.String("a");
            for (var i = 0; i < depth; i++)
            {
                body.Short((int)code);
                if (code == CqlTypeCode.Tuple)
                {
                    body.Short(1);
                }
            }
        }));

    [Theory]
    [InlineData(CqlTypeCode.Bigint, 3)]
    [InlineData(CqlTypeCode.Int, 3)]
    [InlineData(CqlTypeCode.Smallint, 1)]
    [InlineData(CqlTypeCode.Double, 7)]
    [InlineData(CqlTypeCode.Float, 3)]
    [InlineData(CqlTypeCode.Decimal, 3)]
    [InlineData(CqlTypeCode.Uuid, 15)]
    [InlineData(CqlTypeCode.Timeuuid, 17)]
    [InlineData(CqlTypeCode.Inet, 5)]
    [InlineData(CqlTypeCode.Date, 4)]
    [InlineData(CqlTypeCode.Time, 8)]
    [InlineData(CqlTypeCode.Timestamp, 8)]
    [InlineData(CqlTypeCode.Duration, 1)]
    internal void A_value_that_is_not_of_its_type_is_rejected(CqlTypeCode code, int length) =>
        Should.Throw<CqlProtocolException>(() => CqlValue.Decode(new CqlType(code, []), Enumerable.Repeat((byte)0x7F, length).ToArray()));

    [Theory]
    [InlineData(5, 9042)]
    [InlineData(0, 9042)]
    [InlineData(4, -1)]
    [InlineData(4, 65_536)]
    public void An_event_about_an_address_that_is_none_is_rejected(int length, int port) =>
        Should.Throw<CqlProtocolException>(() =>
        {
            using var body = new ByteWriter();
            body.String(CqlEvent.StatusChange);
            body.String("UP");
            body.Byte((byte)length);
            body.Raw(new byte[length]);
            body.Int(port);
            _ = CqlEvent.Read(body.Written);
        });

    [Fact]
    public void A_compressed_message_that_announces_more_than_LZ4_can_pack_is_rejected_before_memory_is_taken_for_it()
    {
        var bytes = new byte[EnvelopeHeader.Size + 8];
        EnvelopeHeader.Write(bytes, 0x84, EnvelopeFlags.Compressed, 1, Opcode.Result, 8);
        bytes[EnvelopeHeader.Size] = 0x0F;
        using var reader = new EnvelopeReader(compressed: true);
        var before = GC.GetAllocatedBytesForCurrentThread();

        Should.Throw<CqlProtocolException>(() => reader.Read(bytes, (_, _) => { }));
        (GC.GetAllocatedBytesForCurrentThread() - before).ShouldBeLessThan(1 << 20);
    }

    private static void Column(ByteWriter body, CqlTypeCode code)
    {
        body.Int((int)RowsFlags.GlobalTableSpec);
        body.Int(1);
        body.String("k");
        body.String("t");
        body.String("a");
        body.Short((int)code);
    }

    private static void Read(Action<ByteWriter> write)
    {
        using var body = new ByteWriter();
        body.Int((int)ResultKind.Rows);
        write(body);
        var rows = RowSet.Read(new CqlResponse(Opcode.Result, body.Written.ToArray(), [], null));
        while (rows.Next())
        {
            // As many as the answer says.
        }
    }
}
