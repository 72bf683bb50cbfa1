using EcomStream.Cassandra.Schema;

namespace EcomStream.Cassandra.Tests.InMemory;

/// <summary>A cell: a value or, where it is null, a tombstone; with its write timestamp and the time it expires.</summary>
internal sealed record InMemoryCell(byte[]? Value, long Timestamp, DateTimeOffset? ExpiresAt);

/// <summary>
/// A table that applies Cassandra's rules per cell: the larger write timestamp wins; of equal ones a tombstone wins over
/// a value, otherwise the larger value in unsigned byte order. A deletion of a row hides what is not newer.
/// </summary>
internal sealed class InMemoryTable(TableDefinition definition, TimeProvider time)
{
    private readonly Dictionary<string, Row> _rows = [];

    // By the first column of the key.
    private readonly Dictionary<string, List<Row>> _partitions = [];

    private bool[]? _textColumns;

    public TableDefinition Definition => definition;

    public string[] Key { get; } =
        [.. definition.Columns.Where(c => c.Kind == "partition_key").OrderBy(c => c.Position).Concat(definition.Columns.Where(c => c.Kind == "clustering").OrderBy(c => c.Position)).Select(c => c.Name)];

    /// <summary>Writes cells; an INSERT also marks the row as being there.</summary>
    public void Write(IReadOnlyDictionary<string, byte[]?> values, long timestamp, int ttl, bool isInsert)
    {
        var row = RowOf(values);
        var expiresAt = ttl > 0 ? time.GetUtcNow().AddSeconds(ttl) : (DateTimeOffset?)null;
        if (isInsert)
        {
            row.Marker = Newer(row.Marker, new InMemoryCell([], timestamp, expiresAt));
        }

        foreach (var (column, value) in values.Where(value => !Key.Contains(value.Key)))
        {
            row.Cells[column] = Newer(row.Cells.GetValueOrDefault(column), new InMemoryCell(value, timestamp, expiresAt));
        }
    }

    /// <summary>Deletes a row.</summary>
    public void Delete(IReadOnlyDictionary<string, byte[]?> key, long timestamp)
    {
        var row = RowOf(key);
        row.DeletedAt = Math.Max(row.DeletedAt, timestamp);
    }

    /// <summary>The rows that are there, each as a function from a column to its live cell.</summary>
    public List<Func<string, InMemoryCell?>> Rows(Func<string, byte[], bool>? hasKey = null)
    {
        var live = new List<Func<string, InMemoryCell?>>();
        var chosen = _partitions.Values
            .Where(rows => hasKey is null || hasKey(Key[0], rows[0].Key[0]))
            .SelectMany(rows => rows)
            .Where(row => hasKey is null || Key.Index().All(column => hasKey(column.Item, row.Key[column.Index])));
        foreach (var row in chosen.OrderBy(row => row.Key, Comparer<byte[][]>.Create(Compare)))
        {
            if (Live(row, row.Marker) is not null || row.Cells.Values.Any(cell => Live(row, cell) is not null))
            {
                live.Add(column => Array.IndexOf(Key, column) is var at and >= 0
                    ? new InMemoryCell(row.Key[at], 0, null)
                    : Live(row, row.Cells.GetValueOrDefault(column)));
            }
        }

        return live;
    }

    private static InMemoryCell Newer(InMemoryCell? one, InMemoryCell other)
    {
        if (one is null || one.Timestamp != other.Timestamp)
        {
            return one is null || other.Timestamp > one.Timestamp ? other : one;
        }

        return one.Value is null || (other.Value is not null && one.Value.AsSpan().SequenceCompareTo(other.Value) > 0) ? one : other;
    }

    private bool[] IsText => _textColumns ??= [.. Key.Select(name => definition.Columns.Single(column => column.Name == name).Type == "text")];

    // Numbers by value, texts by their bytes.
    private int Compare(byte[][] one, byte[][] other)
    {
        for (var column = 0; column < Key.Length; column++)
        {
            var sign = IsText[column] ? 0 : ((sbyte)one[column][0]).CompareTo((sbyte)other[column][0]);
            var order = sign != 0 ? sign : one[column].AsSpan().SequenceCompareTo(other[column]);
            if (order != 0)
            {
                return order;
            }
        }

        return 0;
    }

    private InMemoryCell? Live(Row row, InMemoryCell? cell) =>
        cell is { Value: not null } && cell.Timestamp > row.DeletedAt && (cell.ExpiresAt is null || cell.ExpiresAt > time.GetUtcNow()) ? cell : null;

    private Row RowOf(IReadOnlyDictionary<string, byte[]?> values)
    {
        byte[][] key = [.. Key.Select(column => values[column]!)];
        var text = string.Join('/', key.Select(Convert.ToHexString));
        if (!_rows.TryGetValue(text, out var row))
        {
            _rows.Add(text, row = new Row(key));
            var partition = Convert.ToHexString(key[0]);
            if (!_partitions.TryGetValue(partition, out var rows))
            {
                _partitions.Add(partition, rows = []);
            }

            rows.Add(row);
        }

        return row;
    }

    private sealed class Row(byte[][] key)
    {
        public byte[][] Key => key;

        public Dictionary<string, InMemoryCell> Cells { get; } = [];

        public InMemoryCell? Marker { get; set; }

        public long DeletedAt { get; set; } = long.MinValue;
    }
}
