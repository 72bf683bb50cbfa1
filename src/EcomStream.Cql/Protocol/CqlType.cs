namespace EcomStream.Cql.Protocol;

/// <summary>The id of a type (native_protocol_v5.spec, section 4.2.5.2).</summary>
public enum CqlTypeCode
{
    /// <summary>A class of the server; its value is a <c>byte[]</c>.</summary>
    Custom = 0x0000,

    /// <summary>An ASCII text, a <see cref="string"/>.</summary>
    Ascii = 0x0001,

    /// <summary>A <see cref="long"/>.</summary>
    Bigint = 0x0002,

    /// <summary>A <c>byte[]</c>.</summary>
    Blob = 0x0003,

    /// <summary>A <see cref="bool"/>.</summary>
    Boolean = 0x0004,

    /// <summary>A counter, a <see cref="long"/>.</summary>
    Counter = 0x0005,

    /// <summary>A <see cref="CqlDecimal"/>.</summary>
    Decimal = 0x0006,

    /// <summary>A <see cref="double"/>.</summary>
    Double = 0x0007,

    /// <summary>A <see cref="float"/>.</summary>
    Float = 0x0008,

    /// <summary>An <see cref="int"/>.</summary>
    Int = 0x0009,

    /// <summary>A <see cref="DateTimeOffset"/>, in milliseconds.</summary>
    Timestamp = 0x000B,

    /// <summary>A <see cref="Guid"/>.</summary>
    Uuid = 0x000C,

    /// <summary>A text in UTF-8, a <see cref="string"/>.</summary>
    Text = 0x000D,

    /// <summary>A <see cref="System.Numerics.BigInteger"/>.</summary>
    Varint = 0x000E,

    /// <summary>A UUID of version 1, a <see cref="Guid"/>.</summary>
    Timeuuid = 0x000F,

    /// <summary>A <see cref="System.Net.IPAddress"/>.</summary>
    Inet = 0x0010,

    /// <summary>A <see cref="DateOnly"/>.</summary>
    Date = 0x0011,

    /// <summary>A <see cref="TimeOnly"/>; what is below 100 ns is cut off.</summary>
    Time = 0x0012,

    /// <summary>A <see cref="short"/>.</summary>
    Smallint = 0x0013,

    /// <summary>An <see cref="sbyte"/>.</summary>
    Tinyint = 0x0014,

    /// <summary>A <see cref="CqlDuration"/>.</summary>
    Duration = 0x0015,

    /// <summary>A list: <c>List&lt;object?&gt;</c> when read, any <see cref="System.Collections.IEnumerable"/> when written.</summary>
    List = 0x0020,

    /// <summary><c>Dictionary&lt;object, object?&gt;</c> when read, any <see cref="System.Collections.IDictionary"/> when written.</summary>
    Map = 0x0021,

    /// <summary>A set, as a <see cref="List"/>.</summary>
    Set = 0x0022,

    /// <summary>A user-defined type; its value is a <c>byte[]</c>.</summary>
    Udt = 0x0030,

    /// <summary>A tuple: <c>object?[]</c>.</summary>
    Tuple = 0x0031,
}

/// <summary>The type of a column, a bind marker or an element.</summary>
/// <param name="Code">Which type.</param>
/// <param name="Of">Types of the elements of a list or set (one), of a map (two), of a tuple's or UDT's fields (all).</param>
/// <param name="Name">Name of a custom type's class or of a UDT; empty for the others.</param>
public sealed record CqlType(CqlTypeCode Code, IReadOnlyList<CqlType> Of, string Name = "")
{
    // Each level is a call on the stack. Cassandra's own types are nested a few deep.
    private const int DeepestNesting = 100;

    internal static CqlType Read(ref ByteReader reader) => Read(ref reader, 0);

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
/// <param name="Name">Its name.</param>
/// <param name="Type">Its type.</param>
public sealed record CqlColumn(string Name, CqlType Type);
