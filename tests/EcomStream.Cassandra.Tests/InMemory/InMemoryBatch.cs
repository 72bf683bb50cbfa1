using System.Buffers.Binary;
using System.Text;
using EcomStream.Cassandra.Seam;

namespace EcomStream.Cassandra.Tests.InMemory;

/// <summary>Statements with their values, a byte[] or null each, or a list of bigints.</summary>
internal sealed class InMemoryBatch : IWriteBatch
{
    public List<(InMemoryStatement Statement, object?[] Values)> Statements { get; private set; } = [];

    public int Rows { get; private set; }

    public int Length => Statements.Sum(statement => statement.Values.Sum(value => 4 + ((value as byte[])?.Length ?? 0)));

    public void Add<TValues>(IStatement statement, in TValues values)
        where TValues : struct, IStatementValues =>
        Statements.Add(((InMemoryStatement)statement, InMemoryCells.Of(values)));

    public void Append(IWriteBatch row)
    {
        Statements.AddRange(((InMemoryBatch)row).Statements);
        Rows++;
    }

    public void Clear() => (Statements, Rows) = ([], 0);

    public void Dispose()
    {
        // Nothing is held.
    }
}

/// <summary>Takes the values of a statement as CQL serializes them.</summary>
internal readonly struct InMemoryCells(List<object?> values) : ICells
{
    public static object?[] Of<TValues>(TValues values)
        where TValues : struct, IStatementValues
    {
        var taken = new List<object?>();
        var cells = new InMemoryCells(taken);
        values.Write(ref cells);
        return [.. taken];
    }

    public static byte[] Bytes(long value)
    {
        var bytes = new byte[sizeof(long)];
        BinaryPrimitives.WriteInt64BigEndian(bytes, value);
        return bytes;
    }

    public void Bigint(long? value) => values.Add(value is { } number ? Bytes(number) : null);

    public void Int(int value)
    {
        var bytes = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(bytes, value);
        values.Add(bytes);
    }

    public void Double(double? value) => values.Add(value is { } number ? Bytes(BitConverter.DoubleToInt64Bits(number)) : null);

    public void Text(string? value) => values.Add(value is null ? null : Encoding.UTF8.GetBytes(value));

    public void Blob(ReadOnlySpan<byte> value) => values.Add(value.ToArray());

    public void Empty() => values.Add(Array.Empty<byte>());

    public void Bigints(IReadOnlyCollection<long> values1) => values.Add(values1.ToArray());
}
