using System.Buffers.Binary;
using System.Net;
using System.Text;

namespace EcomStream.Cql.Protocol;

/// <summary>
/// Reads the notations of the native protocol (native_protocol_v5.spec, section 3; big-endian). A body that ends too
/// early is a <see cref="CqlProtocolException"/>.
/// </summary>
internal ref struct ByteReader(ReadOnlySpan<byte> bytes)
{
    private readonly ReadOnlySpan<byte> _bytes = bytes;

    public int Position { get; private set; }

    public readonly int Remaining => _bytes.Length - Position;

    public readonly ReadOnlySpan<byte> Rest => _bytes[Position..];

    public ReadOnlySpan<byte> Take(int count)
    {
        if (count < 0 || count > Remaining)
        {
            throw new CqlProtocolException($"A message from the server ends too early: {count} bytes are wanted at {Position} of {_bytes.Length}.");
        }

        var span = _bytes.Slice(Position, count);
        Position += count;
        return span;
    }

    public byte Byte() => Take(1)[0];

    public int Short() => BinaryPrimitives.ReadUInt16BigEndian(Take(sizeof(ushort)));

    public int Int() => BinaryPrimitives.ReadInt32BigEndian(Take(sizeof(int)));

    /// <summary>[int]: how many of something follow, which is not more than the rest can hold.</summary>
    /// <param name="bytesEach">The fewest bytes that one takes, 1 or more.</param>
    public int Count(int bytesEach) => Bounded(Int(), bytesEach);

    /// <summary>[short]: as <see cref="Count"/>.</summary>
    /// <param name="bytesEach">The fewest bytes that one takes, 1 or more.</param>
    public int ShortCount(int bytesEach) => Bounded(Short(), bytesEach);

    /// <summary>Checks a number before memory is taken for so many.</summary>
    public readonly int Bounded(int count, long bytesEach) => count >= 0 && count * bytesEach <= Remaining
        ? count
        : throw new CqlProtocolException($"A message from the server announces {count} elements, and only {Remaining} bytes follow.");

    /// <summary>[string].</summary>
    public string String() => Encoding.UTF8.GetString(Take(Short()));

    /// <summary>[short bytes].</summary>
    public byte[] ShortBytes() => Take(Short()).ToArray();

    /// <summary>[bytes]: its bytes, and whether it is null.</summary>
    public ReadOnlySpan<byte> Bytes(out bool isNull)
    {
        var length = Int();
        isNull = length < 0;
        return isNull ? default : Take(length);
    }

    /// <summary>[bytes], or null.</summary>
    public byte[]? BytesOrNull()
    {
        var bytes = Bytes(out var isNull);
        return isNull ? null : bytes.ToArray();
    }

    /// <summary>[uuid].</summary>
    public Guid Uuid() => new(Take(16), bigEndian: true);

    /// <summary>[string list].</summary>
    public string[] StringList()
    {
        var list = new string[ShortCount(sizeof(short))];
        for (var i = 0; i < list.Length; i++)
        {
            list[i] = String();
        }

        return list;
    }

    /// <summary>[string multimap].</summary>
    public Dictionary<string, string[]> StringMultimap()
    {
        var map = new Dictionary<string, string[]>(StringComparer.OrdinalIgnoreCase);
        for (var left = Short(); left > 0; left--)
        {
            var key = String();
            map[key] = StringList();
        }

        return map;
    }

    /// <summary>[inetaddr].</summary>
    public IPAddress InetAddress()
    {
        var bytes = Take(Byte());
        return bytes.Length is 4 or 16 ? new IPAddress(bytes) : throw new CqlProtocolException($"A message from the server has an address of {bytes.Length} bytes.");
    }

    /// <summary>[inet].</summary>
    public IPEndPoint Inet()
    {
        var address = InetAddress();
        var port = Int();
        return port is >= IPEndPoint.MinPort and <= IPEndPoint.MaxPort
            ? new IPEndPoint(address, port)
            : throw new CqlProtocolException($"A message from the server has the port {port}.");
    }
}
