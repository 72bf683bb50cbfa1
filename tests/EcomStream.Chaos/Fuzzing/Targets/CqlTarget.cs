using System.Net;
using EcomStream.Cql;
using EcomStream.Cql.Protocol;

namespace EcomStream.Chaos.Fuzzing.Targets;

/// <summary>
/// What a server of Cassandra sends: envelopes, bare and in segments, and the bodies of all answers. What is wrong is a
/// <see cref="CqlException"/>. Half of the inputs are wrapped in right checksums, so that they get behind them.
/// </summary>
internal sealed class CqlTarget : IFuzzTarget
{
    private const byte Version = 5;
    private const int MostRows = 100_000;

    private static readonly IReadOnlyList<byte[]> _corpus = Bodies();
    private static readonly IReadOnlyList<byte[]> _tokens =
    [
        [0x00, 0x20], [0x00, 0x21], [0x00, 0x31], [0x00, 0x30], [0x00, 0x00], [0x00, 0x0D], [0x00, 0x15], [0x00, 0x0B], [0x00, 0x11], [0x00, 0x12], [0x00, 0x06], [0x00, 0x10],
        [0xFF, 0xFF, 0xFF, 0xFF], [0x7F, 0xFF, 0xFF, 0xFF], [0x00, 0x00, 0x00, 0x00], [0x00, 0x00, 0x00, 0x01], [0x00, 0x00, 0x00, 0x02], [0x00, 0x00, 0x00, 0x04],
        [0x00, 0x00, 0x00, 0x05], [0x00, 0x00, 0x00, 0x08], [0x00, 0x01], [0x85, 0x00, 0x00, 0x01, 0x08],
    ];

    public string Name => "cql";

    public int Weight => 180;

    public void Run(FuzzInput input)
    {
        var bytes = input.Next(_corpus, _tokens);
        var compressed = input.Random.Next(2) == 0;
        var isSegmented = input.Random.Next(2) == 0;
        try
        {
            using var reader = new EnvelopeReader(compressed);
            if (isSegmented)
            {
                reader.UseSegments();
                bytes = input.Random.Next(4) == 0 ? bytes : InSegments(bytes, compressed, input.Random.Next(4) > 0);
            }

            for (int at = 0, used; at < bytes.Length && (used = reader.Read(bytes.AsSpan(at), Decode)) > 0;)
            {
                at += used;
            }
        }
        catch (CqlException)
        {
            // As documented.
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static byte[] InSegments(byte[] bytes, bool compressed, bool isSelfContained)
    {
        using var writer = new ByteWriter();
        var codec = new SegmentCodec(compressed);
        for (var at = 0; at < bytes.Length; at += SegmentCodec.LongestPayload)
        {
            codec.Write(writer, bytes.AsSpan(at, Math.Min(SegmentCodec.LongestPayload, bytes.Length - at)), isSelfContained);
        }

        return writer.Written.ToArray();
    }

    // As a connection and its callers read it.
    private static void Decode(EnvelopeHeader header, ReadOnlySpan<byte> body)
    {
        switch (header.Opcode)
        {
            case Opcode.Error:
                _ = ErrorDecoder.Decode(body, header.Version, "node").Message;
                break;
            case Opcode.Event:
                _ = CqlEvent.Read(body);
                break;
            case Opcode.Supported:
                _ = new ByteReader(body).StringMultimap();
                break;
            case Opcode.Authenticate or Opcode.AuthChallenge or Opcode.AuthSuccess:
                _ = new ByteReader(body).BytesOrNull();
                break;
            case Opcode.Prepare:
                _ = PreparedStatement.Read("SELECT", body, header.Version);
                break;
            case Opcode.Result:
                ReadRows(body);
                break;
            default:
                break;
        }
    }

    private static void ReadRows(ReadOnlySpan<byte> body)
    {
        var rows = RowSet.Read(new CqlResponse(Opcode.Result, body.ToArray(), [], null));
        var read = 0;
        while (rows.Next())
        {
            if (++read > MostRows + body.Length)
            {
                throw new FuzzException($"{body.Length} bytes have more than {read} rows");
            }

            for (var i = 0; i < rows.Columns.Count; i++)
            {
                _ = rows.Value(i);
                _ = rows.TextOrNull(i);
                _ = rows.Int64OrNull(i);
                _ = rows.DoubleOrNull(i);
            }
        }
    }

    // Envelopes with a body of each kind. The opcode PREPARE, which servers do not send, stands for its answer.
    private static List<byte[]> Bodies() =>
    [
        Envelope(Opcode.Result, Rows(new CqlType(CqlTypeCode.Bigint, []), 12L, new CqlType(CqlTypeCode.Text, []), "Lamp")),
        Envelope(Opcode.Result, Rows(new CqlType(CqlTypeCode.Double, []), 9.5, new CqlType(CqlTypeCode.Timestamp, []), DateTimeOffset.UnixEpoch)),
        Envelope(Opcode.Result, Rows(new CqlType(CqlTypeCode.Inet, []), IPAddress.Loopback, new CqlType(CqlTypeCode.Uuid, []), Guid.Empty)),
        Envelope(Opcode.Result, Rows(
            new CqlType(CqlTypeCode.Map, [new(CqlTypeCode.Text, []), new(CqlTypeCode.Text, [])]), new Dictionary<string, string> { ["class"] = "x" },
            new CqlType(CqlTypeCode.List, [new(CqlTypeCode.Int, [])]), new List<object?> { 1, 2 })),
        Envelope(Opcode.Result, Rows(
            new CqlType(CqlTypeCode.Decimal, []), new CqlDecimal(1234, 2), new CqlType(CqlTypeCode.Duration, []), new CqlDuration(1, 2, 3))),
        Envelope(Opcode.Result, Rows(
            new CqlType(CqlTypeCode.Date, []), new DateOnly(2026, 11, 24),
            new CqlType(CqlTypeCode.Tuple, [new(CqlTypeCode.Tinyint, []), new(CqlTypeCode.Time, [])]), new object?[] { (sbyte)1, new TimeOnly(8, 0) })),
        Envelope(Opcode.Error, writer =>
        {
            writer.Int((int)CqlErrorCode.WriteFailure);
            writer.String("failed");
            writer.Short((int)Consistency.Quorum);
            writer.Int(1);
            writer.Int(2);
            writer.Int(1);
            writer.Byte(4);
            writer.Raw([127, 0, 0, 1]);
            writer.Short(1);
            writer.String("SIMPLE");
        }),
        Envelope(Opcode.Error, writer =>
        {
            writer.Int((int)CqlErrorCode.Unprepared);
            writer.String("unknown");
            writer.ShortBytes([1, 2, 3]);
        }),
        Envelope(Opcode.Event, writer =>
        {
            writer.String(CqlEvent.StatusChange);
            writer.String("UP");
            writer.Byte(4);
            writer.Raw([127, 0, 0, 1]);
            writer.Int(9042);
        }),
        Envelope(Opcode.Event, writer =>
        {
            writer.String(CqlEvent.SchemaChange);
            writer.String("CREATED");
            writer.String("KEYSPACE");
            writer.String("k");
        }),
        Envelope(Opcode.Supported, writer =>
        {
            writer.Short(1);
            writer.String("COMPRESSION");
            writer.StringList(["lz4", "snappy"]);
        }),
        Envelope(Opcode.Prepare, writer =>
        {
            writer.Int((int)ResultKind.Prepared);
            writer.ShortBytes([1, 2]);
            writer.ShortBytes([3]);
            writer.Int((int)RowsFlags.GlobalTableSpec);
            writer.Int(1);
            writer.Int(1);
            writer.Short(0);
            writer.String("k");
            writer.String("t");
            writer.String("order_id");
            writer.Short((int)CqlTypeCode.Bigint);
            writer.Int((int)RowsFlags.NoMetadata);
            writer.Int(0);
        }),
    ];

    private static Action<ByteWriter> Rows(CqlType first, object firstValue, CqlType second, object secondValue) => writer =>
    {
        writer.Int((int)ResultKind.Rows);
        writer.Int((int)RowsFlags.GlobalTableSpec);
        writer.Int(2);
        writer.String("k");
        writer.String("t");
        writer.String("a");
        WriteType(writer, first);
        writer.String("b");
        WriteType(writer, second);
        writer.Int(2);
        for (var row = 0; row < 2; row++)
        {
            CqlValue.Write(writer, first, firstValue);
            CqlValue.Write(writer, second, row == 0 ? secondValue : null);
        }
    };

    private static void WriteType(ByteWriter writer, CqlType type)
    {
        writer.Short((int)type.Code);
        if (type.Code == CqlTypeCode.Tuple)
        {
            writer.Short(type.Of.Count);
        }

        foreach (var element in type.Of)
        {
            WriteType(writer, element);
        }
    }

    private static byte[] Envelope(Opcode opcode, Action<ByteWriter> body)
    {
        using var writer = new ByteWriter();
        body(writer);
        var envelope = new byte[EnvelopeHeader.Size + writer.Length];
        EnvelopeHeader.Write(envelope, Version | 0x80, EnvelopeFlags.None, 1, opcode, writer.Length);
        writer.Written.CopyTo(envelope.AsSpan(EnvelopeHeader.Size));
        return envelope;
    }
}
