using System.Buffers.Binary;
using System.Net;
using System.Numerics;
using System.Text;

namespace EcomStream.Cql.Protocol;

/// <summary>A CQL decimal: <see cref="Unscaled"/> times ten to the power of minus <see cref="Scale"/>.</summary>
/// <param name="Unscaled">Its digits.</param>
/// <param name="Scale">Digits after the decimal point; negative for trailing zeros before it.</param>
public readonly record struct CqlDecimal(BigInteger Unscaled, int Scale);

/// <summary>A CQL duration.</summary>
/// <param name="Months">Months.</param>
/// <param name="Days">Days.</param>
/// <param name="Nanoseconds">Nanoseconds.</param>
public readonly record struct CqlDuration(int Months, int Days, long Nanoseconds);

/// <summary>
/// Values of all types as .NET objects (native_protocol_v5.spec, section 6), for statements that are not on the hot
/// path. A timestamp is a <see cref="DateTimeOffset"/>, a date a <see cref="DateOnly"/>, a time a
/// <see cref="TimeOnly"/>, a set a list; a custom type's and a UDT's value stays bytes.
/// </summary>
internal static class CqlValue
{
    // A date is days since 1970-01-01, shifted so that it is unsigned.
    private const uint DateEpoch = 1u << 31;
    private static readonly int _epochDay = new DateOnly(1970, 1, 1).DayNumber;

    /// <summary>Decodes a value; an empty one of a type that has no empty value is null.</summary>
    /// <exception cref="CqlProtocolException">The bytes are not a value of the type, or one that .NET has no value for, such as a date after the year 9999.</exception>
    public static object? Decode(CqlType type, ReadOnlySpan<byte> bytes)
    {
        try
        {
            return DecodeUnchecked(type, bytes);
        }
        catch (Exception wrong) when (wrong is ArgumentException or OverflowException)
        {
            throw new CqlProtocolException($"A value of type {type.Code} from the server cannot be read from its {bytes.Length} bytes: {wrong.Message}");
        }
    }

    /// <summary>Writes a [value] of the given type; null is null.</summary>
    /// <exception cref="InvalidCastException">The object is not of the .NET type that stands for the CQL type.</exception>
    public static void Write(ByteWriter writer, CqlType type, object? value)
    {
        if (value is null)
        {
            writer.NullValue();
            return;
        }

        var at = writer.Length;
        writer.Int(0);
        switch (type.Code)
        {
            case CqlTypeCode.Ascii or CqlTypeCode.Text:
                writer.Raw(Encoding.UTF8.GetBytes((string)value));
                break;
            case CqlTypeCode.Bigint or CqlTypeCode.Counter:
                writer.Long((long)value);
                break;
            case CqlTypeCode.Boolean:
                writer.Byte((bool)value ? (byte)1 : (byte)0);
                break;
            case CqlTypeCode.Decimal:
                var number = (CqlDecimal)value;
                writer.Int(number.Scale);
                writer.Raw(number.Unscaled.ToByteArray(isBigEndian: true));
                break;
            case CqlTypeCode.Double:
                writer.Long(BitConverter.DoubleToInt64Bits((double)value));
                break;
            case CqlTypeCode.Float:
                writer.Int(BitConverter.SingleToInt32Bits((float)value));
                break;
            case CqlTypeCode.Int:
                writer.Int((int)value);
                break;
            case CqlTypeCode.Timestamp:
                writer.Long(((DateTimeOffset)value).ToUnixTimeMilliseconds());
                break;
            case CqlTypeCode.Uuid or CqlTypeCode.Timeuuid:
                writer.Raw(((Guid)value).ToByteArray(bigEndian: true));
                break;
            case CqlTypeCode.Varint:
                writer.Raw(((BigInteger)value).ToByteArray(isBigEndian: true));
                break;
            case CqlTypeCode.Inet:
                writer.Raw(((IPAddress)value).GetAddressBytes());
                break;
            case CqlTypeCode.Date:
                writer.Int((int)((uint)(((DateOnly)value).DayNumber - _epochDay) + DateEpoch));
                break;
            case CqlTypeCode.Time:
                writer.Long(((TimeOnly)value).Ticks * TimeSpan.NanosecondsPerTick);
                break;
            case CqlTypeCode.Smallint:
                writer.Short((ushort)(short)value);
                break;
            case CqlTypeCode.Tinyint:
                writer.Byte((byte)(sbyte)value);
                break;
            case CqlTypeCode.Duration:
                var duration = (CqlDuration)value;
                WriteVint(writer, duration.Months);
                WriteVint(writer, duration.Days);
                WriteVint(writer, duration.Nanoseconds);
                break;
            case CqlTypeCode.List or CqlTypeCode.Set:
                var list = ((System.Collections.IEnumerable)value).Cast<object?>().ToList();
                writer.Int(list.Count);
                list.ForEach(element => Write(writer, type.Of[0], element));
                break;
            case CqlTypeCode.Map:
                var map = (System.Collections.IDictionary)value;
                writer.Int(map.Count);
                foreach (System.Collections.DictionaryEntry entry in map)
                {
                    Write(writer, type.Of[0], entry.Key);
                    Write(writer, type.Of[1], entry.Value);
                }

                break;
            case CqlTypeCode.Tuple:
                var fields = (object?[])value;
                for (var i = 0; i < fields.Length; i++)
                {
                    Write(writer, type.Of[i], fields[i]);
                }

                break;
            default:
                writer.Raw((byte[])value);
                break;
        }

        writer.PatchInt(at, writer.Length - at - sizeof(int));
    }

    private static object? DecodeUnchecked(CqlType type, ReadOnlySpan<byte> bytes)
    {
        if (bytes.IsEmpty && type.Code is not (CqlTypeCode.Text or CqlTypeCode.Ascii or CqlTypeCode.Blob or CqlTypeCode.Custom))
        {
            return null;
        }

        return type.Code switch
        {
            CqlTypeCode.Ascii or CqlTypeCode.Text => Encoding.UTF8.GetString(bytes),
            CqlTypeCode.Bigint or CqlTypeCode.Counter => BinaryPrimitives.ReadInt64BigEndian(bytes),
            CqlTypeCode.Boolean => bytes[0] != 0,
            CqlTypeCode.Decimal => new CqlDecimal(
                new BigInteger(bytes[sizeof(int)..], isBigEndian: true), BinaryPrimitives.ReadInt32BigEndian(bytes)),
            CqlTypeCode.Double => BinaryPrimitives.ReadDoubleBigEndian(bytes),
            CqlTypeCode.Float => BinaryPrimitives.ReadSingleBigEndian(bytes),
            CqlTypeCode.Int => BinaryPrimitives.ReadInt32BigEndian(bytes),
            CqlTypeCode.Timestamp => DateTimeOffset.FromUnixTimeMilliseconds(BinaryPrimitives.ReadInt64BigEndian(bytes)),
            CqlTypeCode.Uuid or CqlTypeCode.Timeuuid => new Guid(bytes, bigEndian: true),
            CqlTypeCode.Varint => new BigInteger(bytes, isBigEndian: true),
            CqlTypeCode.Inet => new IPAddress(bytes),
            CqlTypeCode.Date => DateOnly.FromDayNumber((int)(BinaryPrimitives.ReadUInt32BigEndian(bytes) - DateEpoch) + _epochDay),
            CqlTypeCode.Time => new TimeOnly(BinaryPrimitives.ReadInt64BigEndian(bytes) / TimeSpan.NanosecondsPerTick),
            CqlTypeCode.Smallint => BinaryPrimitives.ReadInt16BigEndian(bytes),
            CqlTypeCode.Tinyint => (sbyte)bytes[0],
            CqlTypeCode.Duration => DecodeDuration(bytes),
            CqlTypeCode.List or CqlTypeCode.Set => DecodeList(type.Of[0], bytes),
            CqlTypeCode.Map => DecodeMap(type.Of[0], type.Of[1], bytes),
            CqlTypeCode.Tuple => DecodeTuple(type.Of, bytes),
            _ => bytes.ToArray(),
        };
    }

    private static List<object?> DecodeList(CqlType element, ReadOnlySpan<byte> bytes)
    {
        var reader = new ByteReader(bytes);
        var list = new List<object?>();
        for (var left = reader.Int(); left > 0; left--)
        {
            list.Add(DecodeElement(ref reader, element));
        }

        return list;
    }

    private static Dictionary<object, object?> DecodeMap(CqlType key, CqlType value, ReadOnlySpan<byte> bytes)
    {
        var reader = new ByteReader(bytes);
        var map = new Dictionary<object, object?>();
        for (var left = reader.Int(); left > 0; left--)
        {
            var k = DecodeElement(ref reader, key) ?? throw new CqlProtocolException("A map from the server has a null key.");
            map[k] = DecodeElement(ref reader, value);
        }

        return map;
    }

    private static object?[] DecodeTuple(IReadOnlyList<CqlType> types, ReadOnlySpan<byte> bytes)
    {
        var reader = new ByteReader(bytes);
        var fields = new object?[types.Count];
        for (var i = 0; i < fields.Length && reader.Remaining > 0; i++)
        {
            fields[i] = DecodeElement(ref reader, types[i]);
        }

        return fields;
    }

    private static object? DecodeElement(ref ByteReader reader, CqlType type)
    {
        var bytes = reader.Bytes(out var isNull);
        return isNull ? null : Decode(type, bytes);
    }

    private static CqlDuration DecodeDuration(ReadOnlySpan<byte> bytes)
    {
        var reader = new ByteReader(bytes);
        return new CqlDuration((int)ReadVint(ref reader), (int)ReadVint(ref reader), ReadVint(ref reader));
    }

    // [vint], section 3: zig-zag, then as many leading ones in the first byte as there are more bytes.
    private static void WriteVint(ByteWriter writer, long value)
    {
        var number = (ulong)((value >> 63) ^ (value << 1));
        var more = 0;
        while (more < 8 && number >> (7 * (more + 1)) != 0)
        {
            more++;
        }

        var prefix = (byte)(0xFF << (8 - more));
        writer.Byte(more == 8 ? (byte)0xFF : (byte)(prefix | (byte)(number >> (8 * more))));
        for (var i = more - 1; i >= 0; i--)
        {
            writer.Byte((byte)(number >> (8 * i)));
        }
    }

    private static long ReadVint(ref ByteReader reader)
    {
        var first = reader.Byte();
        var more = BitOperations.LeadingZeroCount((uint)(byte)~first) - 24;
        var number = more >= 8 ? 0 : (ulong)(first & (0xFF >> (more + 1)));
        for (var i = 0; i < more; i++)
        {
            number = (number << 8) | reader.Byte();
        }

        return (long)(number >> 1) ^ -(long)(number & 1);
    }
}
