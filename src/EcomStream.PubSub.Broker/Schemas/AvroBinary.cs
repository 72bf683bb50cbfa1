using System.Text.Unicode;

namespace EcomStream.PubSub.Broker.Schemas;

/// <summary>
/// Checks data in Avro's binary encoding (https://avro.apache.org/docs/1.11.1/specification/#binary-encoding) without making
/// objects: lengths that the data claims to have allocate nothing.
/// </summary>
internal static class AvroBinary
{
    // Records of records without bytes take time and no data.
    private const long StepsWithoutData = 1_000_000;
    private const long StepsPerByte = 100;

    /// <summary>Checks the value at the start of the data and moves behind it.</summary>
    /// <exception cref="FormatException">The value does not conform; the message says where.</exception>
    public static void Check(Avro.Schema schema, ref ReadOnlySpan<byte> data)
    {
        var steps = StepsWithoutData + (StepsPerByte * data.Length);
        Check(schema, ref data, "the message", 0, ref steps);
    }

    private static void Check(Avro.Schema schema, ref ReadOnlySpan<byte> data, string path, int depth, ref long steps)
    {
        if (--steps < 0)
        {
            throw new FormatException($"{path} consists of too many values without bytes");
        }

        if (depth > SchemaDefinition.DeepestNesting)
        {
            throw new FormatException($"{path} is nested more than {SchemaDefinition.DeepestNesting} deep");
        }

        switch (schema)
        {
            case Avro.LogicalSchema logical:
                Check(logical.BaseSchema, ref data, path, depth, ref steps);
                break;
            case Avro.RecordSchema record:
                foreach (var field in record.Fields)
                {
                    Check(field.Schema, ref data, $"{path}.{field.Name}", depth + 1, ref steps);
                }

                break;
            case Avro.EnumSchema symbols:
                Index(ref data, symbols.Symbols.Count, path);
                break;
            case Avro.UnionSchema union:
                Check(union.Schemas[Index(ref data, union.Schemas.Count, path)], ref data, path, depth + 1, ref steps);
                break;
            case Avro.FixedSchema bytes:
                Take(ref data, bytes.Size, path);
                break;
            case Avro.ArraySchema array:
                Blocks(null, array.ItemSchema, ref data, path, depth, ref steps);
                break;
            case Avro.MapSchema map:
                Blocks(Avro.Schema.Type.String, map.ValueSchema, ref data, path, depth, ref steps);
                break;
            default:
                Primitive(schema.Tag, ref data, path);
                break;
        }
    }

    private static void Primitive(Avro.Schema.Type type, ref ReadOnlySpan<byte> data, string path)
    {
        switch (type)
        {
            case Avro.Schema.Type.Null:
                break;
            case Avro.Schema.Type.Boolean:
                if (Take(ref data, 1, path)[0] > 1)
                {
                    throw new FormatException($"{path} is not a boolean");
                }

                break;
            case Avro.Schema.Type.Int:
                if (Long(ref data, path) is < int.MinValue or > int.MaxValue)
                {
                    throw new FormatException($"{path} is not an int of 32 bits");
                }

                break;
            case Avro.Schema.Type.Long:
                Long(ref data, path);
                break;
            case Avro.Schema.Type.Float:
                Take(ref data, 4, path);
                break;
            case Avro.Schema.Type.Double:
                Take(ref data, 8, path);
                break;
            case Avro.Schema.Type.Bytes:
                Take(ref data, Long(ref data, path), path);
                break;
            case Avro.Schema.Type.String:
                if (!Utf8.IsValid(Take(ref data, Long(ref data, path), path)))
                {
                    throw new FormatException($"{path} is not valid UTF-8");
                }

                break;
            default:
                throw new FormatException($"{path} has the type {type}, which is not supported");
        }
    }

    // Items in blocks: each begins with how many they are, negative where the bytes of the block follow; 0 ends them.
    private static void Blocks(Avro.Schema.Type? key, Avro.Schema item, ref ReadOnlySpan<byte> data, string path, int depth, ref long steps)
    {
        while (Long(ref data, path) is var count && count != 0)
        {
            if (count < 0)
            {
                Long(ref data, path);
                count = count == long.MinValue ? long.MaxValue : -count;
            }

            for (var i = 0L; i < count; i++)
            {
                var before = data.Length;
                if (key is { } type)
                {
                    Primitive(type, ref data, $"a key of {path}");
                }

                Check(item, ref data, $"{path}[{i}]", depth + 1, ref steps);
                if (data.Length == before)
                {
                    // Items without bytes, such as nulls: any number of them conforms.
                    break;
                }
            }
        }
    }

    private static int Index(ref ReadOnlySpan<byte> data, int count, string path)
    {
        var index = Long(ref data, path);
        return index >= 0 && index < count ? (int)index : throw new FormatException($"{path} names the alternative {index}, of {count}");
    }

    // Zigzag, in groups of seven bits.
    private static long Long(ref ReadOnlySpan<byte> data, string path)
    {
        var value = 0UL;
        for (var i = 0; i < data.Length && i < 10; i++)
        {
            value |= (ulong)(data[i] & 0x7f) << (7 * i);
            if (data[i] < 0x80)
            {
                data = data[(i + 1)..];
                return (long)(value >> 1) ^ -(long)(value & 1);
            }
        }

        throw new FormatException($"{path} is cut off");
    }

    private static ReadOnlySpan<byte> Take(ref ReadOnlySpan<byte> data, long length, string path)
    {
        if (length < 0 || length > data.Length)
        {
            throw new FormatException($"{path} is cut off");
        }

        var taken = data[..(int)length];
        data = data[(int)length..];
        return taken;
    }
}
