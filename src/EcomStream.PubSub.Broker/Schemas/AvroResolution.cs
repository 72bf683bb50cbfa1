using System.Reflection;
using System.Runtime.CompilerServices;

namespace EcomStream.PubSub.Broker.Schemas;

/// <summary>
/// Whether every message that one schema allows can be read with another one
/// (https://avro.apache.org/docs/1.11.1/specification/#schema-resolution). Each pair of types is compared once, however often
/// and however deep they are used.
/// </summary>
internal sealed class AvroResolution
{
    // Read without its type, which is one of a JSON library that only the parser of Avro uses.
    private static readonly PropertyInfo _defaultValue = typeof(Avro.Field).GetProperty(nameof(Avro.Field.DefaultValue))!;

    // True while a pair is being compared: types that contain themselves agree unless something else differs.
    private readonly Dictionary<(Avro.Schema Reader, Avro.Schema Writer), bool> _results = new(ByReference.Instance);

    /// <summary>Whether <paramref name="reader"/> reads what <paramref name="writer"/> writes.</summary>
    public static bool CanRead(Avro.Schema reader, Avro.Schema writer) => new AvroResolution().Reads(reader, writer);

    private bool Reads(Avro.Schema reader, Avro.Schema writer)
    {
        if (_results.TryGetValue((reader, writer), out var known))
        {
            return known;
        }

        _results[(reader, writer)] = true;
        var result = Compare(reader, writer);
        _results[(reader, writer)] = result;
        return result;
    }

    private bool Compare(Avro.Schema reader, Avro.Schema writer) => (reader, writer) switch
    {
        (Avro.LogicalSchema logical, _) => Reads(logical.BaseSchema, writer),
        (_, Avro.LogicalSchema logical) => Reads(reader, logical.BaseSchema),
        (_, Avro.UnionSchema union) => union.Schemas.All(branch => Reads(reader, branch)),
        (Avro.UnionSchema union, _) => union.Schemas.Any(branch => Reads(branch, writer)),
        (Avro.RecordSchema record, Avro.RecordSchema other) => IsNamed(record, other) && record.Fields.All(field => ReadsField(field, other)),
        (Avro.EnumSchema symbols, Avro.EnumSchema other) => IsNamed(symbols, other) && (symbols.Default is not null || other.Symbols.All(symbols.Symbols.ToHashSet().Contains)),
        (Avro.FixedSchema bytes, Avro.FixedSchema other) => IsNamed(bytes, other) && bytes.Size == other.Size,
        (Avro.ArraySchema array, Avro.ArraySchema other) => Reads(array.ItemSchema, other.ItemSchema),
        (Avro.MapSchema map, Avro.MapSchema other) => Reads(map.ValueSchema, other.ValueSchema),
        _ => IsPrimitive(reader) && IsPrimitive(writer) && Promotes(writer.Tag, reader.Tag),
    };

    private bool ReadsField(Avro.Field field, Avro.RecordSchema writer)
    {
        var names = (field.Aliases ?? []).Prepend(field.Name).ToHashSet(StringComparer.Ordinal);
        return writer.Fields.Find(other => names.Contains(other.Name)) is { } written ? Reads(field.Schema, written.Schema) : _defaultValue.GetValue(field) is not null;
    }

    // By the name without its namespace.
    private static bool IsNamed(Avro.NamedSchema reader, Avro.NamedSchema writer) => reader.Name == writer.Name;

    private static bool IsPrimitive(Avro.Schema schema) => schema is Avro.PrimitiveSchema;

    private static bool Promotes(Avro.Schema.Type from, Avro.Schema.Type to) => from == to || (from, to) switch
    {
        (Avro.Schema.Type.Int, Avro.Schema.Type.Long or Avro.Schema.Type.Float or Avro.Schema.Type.Double) => true,
        (Avro.Schema.Type.Long, Avro.Schema.Type.Float or Avro.Schema.Type.Double) => true,
        (Avro.Schema.Type.Float, Avro.Schema.Type.Double) => true,
        (Avro.Schema.Type.String, Avro.Schema.Type.Bytes) or (Avro.Schema.Type.Bytes, Avro.Schema.Type.String) => true,
        _ => false,
    };

    // Schemas compare themselves by their content, which takes long where they are nested.
    private sealed class ByReference : IEqualityComparer<(Avro.Schema Reader, Avro.Schema Writer)>
    {
        public static readonly ByReference Instance = new();

        public bool Equals((Avro.Schema Reader, Avro.Schema Writer) x, (Avro.Schema Reader, Avro.Schema Writer) y) =>
            ReferenceEquals(x.Reader, y.Reader) && ReferenceEquals(x.Writer, y.Writer);

        public int GetHashCode((Avro.Schema Reader, Avro.Schema Writer) pair) => HashCode.Combine(
            RuntimeHelpers.GetHashCode(pair.Reader), RuntimeHelpers.GetHashCode(pair.Writer));
    }
}
