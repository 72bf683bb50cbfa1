namespace EcomStream.Cql.Protocol;

/// <summary>The id of a type (native_protocol_v5.spec, section 4.2.5.2).</summary>
internal enum CqlTypeCode
{
    Custom = 0x0000,
    Ascii = 0x0001,
    Bigint = 0x0002,
    Blob = 0x0003,
    Boolean = 0x0004,
    Counter = 0x0005,
    Decimal = 0x0006,
    Double = 0x0007,
    Float = 0x0008,
    Int = 0x0009,
    Timestamp = 0x000B,
    Uuid = 0x000C,
    Text = 0x000D,
    Varint = 0x000E,
    Timeuuid = 0x000F,
    Inet = 0x0010,
    Date = 0x0011,
    Time = 0x0012,
    Smallint = 0x0013,
    Tinyint = 0x0014,
    Duration = 0x0015,
    List = 0x0020,
    Map = 0x0021,
    Set = 0x0022,
    Udt = 0x0030,
    Tuple = 0x0031,
}

/// <summary>The type of a column, a bind marker or an element.</summary>
/// <param name="Code">Which type.</param>
/// <param name="Of">Types of the elements of a list or set (one), of a map (two), of a tuple's or UDT's fields (all).</param>
/// <param name="Name">Name of a custom type's class or of a UDT; empty for the others.</param>
internal sealed record CqlType(CqlTypeCode Code, IReadOnlyList<CqlType> Of, string Name = "")
{
    // Each level is a call on the stack. Cassandra's own types are nested a few deep.
    private const int DeepestNesting = 100;

    public static CqlType Read(ref ByteReader reader) => Read(ref reader, 0);

    private static CqlType Read(ref ByteReader reader, int depth)
    {
        if (depth > DeepestNesting)
        {
            throw new CqlProtocolException($"A message from the server has a type that is nested more than {DeepestNesting} deep.");
        }

        var code = (CqlTypeCode)reader.Short();
        switch (code)
        {
            case CqlTypeCode.Custom:
                return new CqlType(code, [], reader.String());
            case CqlTypeCode.List or CqlTypeCode.Set:
                return new CqlType(code, [Read(ref reader, depth + 1)]);
            case CqlTypeCode.Map:
                return new CqlType(code, [Read(ref reader, depth + 1), Read(ref reader, depth + 1)]);
            case CqlTypeCode.Tuple:
            {
                var fields = new CqlType[reader.ShortCount(sizeof(short))];
                for (var i = 0; i < fields.Length; i++)
                {
                    fields[i] = Read(ref reader, depth + 1);
                }

                return new CqlType(code, fields);
            }

            case CqlTypeCode.Udt:
            {
                var name = $"{reader.String()}.{reader.String()}";
                var fields = new CqlType[reader.ShortCount(sizeof(short))];
                for (var i = 0; i < fields.Length; i++)
                {
                    _ = reader.String();
                    fields[i] = Read(ref reader, depth + 1);
                }

                return new CqlType(code, fields, name);
            }

            default:
                return new CqlType(code, []);
        }
    }
}

/// <summary>A column of a result, or a bind marker.</summary>
internal sealed record CqlColumn(string Name, CqlType Type);
