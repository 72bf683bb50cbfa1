using System.Buffers.Binary;
using System.Text;
using System.Text.RegularExpressions;
using EcomStream.Cassandra.Schema;
using EcomStream.Cassandra.Seam;

namespace EcomStream.Cassandra.Tests.InMemory;

/// <summary>
/// Cassandra in memory, behind the store's client: its rules per cell, row and batch, and refusals that a test sets.
/// </summary>
internal sealed partial class InMemoryClient(TimeProvider time) : ICqlClient
{
    private const int Groups = 3;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, InMemoryTable> _tables = [];
    private readonly Dictionary<string, IReadOnlyDictionary<string, string>> _keyspaces = [];
    private readonly object[] _replicas = [.. Enumerable.Range(0, Groups).Select(_ => new object())];
    private Action<Func<ReplicaGroup, bool>> _lost = _ => { };

    /// <summary>Why the server refuses a statement with its values by column; null for none.</summary>
    public Func<InMemoryStatement, IReadOnlyDictionary<string, byte[]?>, string?> Refuse { get; set; } = (_, _) => null;

    /// <summary>Why a batch is not executed, whatever is in it; null for none.</summary>
    public Func<CqlFault?> Fail { get; set; } = () => null;

    /// <summary>Rows on a page at most, as the guardrail page_size_fail_threshold.</summary>
    public int MaxPageSize { get; set; } = int.MaxValue;

    /// <summary>How many replicas confirm a write.</summary>
    public int Confirmed { get; set; } = 1;

    /// <summary>Rows that were written by batches so far.</summary>
    public int RowsWritten { get; private set; }

    /// <summary>Rows that SELECTs have returned so far.</summary>
    public int RowsReturned { get; private set; }

    /// <summary>The statements that were executed as text.</summary>
    public List<string> Executed { get; } = [];

    /// <summary>A node is lost, with what a test removes.</summary>
    public void LoseNode() => _lost(_ => true);

    /// <summary>A table, by keyspace.table.</summary>
    public InMemoryTable Table(string name) => _tables[name];

    /// <summary>Removes a table.</summary>
    public void Drop(string name) => _tables.Remove(name);

    public ValueTask<IStatement> PrepareAsync(string cql, CancellationToken cancellationToken) =>
        ValueTask.FromResult<IStatement>(new InMemoryStatement(cql));

    public Task<IPage> ReadAsync<TValues>(
        IStatement statement, string operation, ReplicaGroup replicas, TValues values, PageRequest page, CancellationToken cancellationToken)
        where TValues : struct, IStatementValues
    {
        cancellationToken.ThrowIfCancellationRequested();
        var select = (InMemoryStatement)statement;
        if (page.Size > MaxPageSize)
        {
            return Refused<IPage>($"Guardrail page_size violated: {page.Size} is greater than {MaxPageSize}");
        }

        if (Refuse(select, new Dictionary<string, byte[]?>()) is { } why)
        {
            return Refused<IPage>(why);
        }

        lock (_lock)
        {
            var bound = InMemoryCells.Of(values);
            var wanted = select.Parameters.Zip(bound).ToList();
            var rows = _tables[select.Table]
                .Rows((column, value) => wanted.All(condition => condition.First != column || IsOf(value, condition.Second)))
                .Where(row => wanted.All(condition => IsOf(row(condition.First)?.Value, condition.Second)))
                .Where(row => select.Literals.All(literal => row(literal.Key)?.Value is { } value && Encoding.UTF8.GetString(value) == literal.Value))
                .Where(row => IsBetween(select, row, bound))
                .Select(row => select.Columns.Select(column => (object?)Value(row, column)).ToArray())
                .ToList();
            if (select.IsReversed)
            {
                rows.Reverse();
            }

            if (select.HasLimit)
            {
                rows = [.. rows.Take(BinaryPrimitives.ReadInt32BigEndian((byte[])bound[^1]!))];
            }

            var from = page.State is { } state ? BinaryPrimitives.ReadInt32BigEndian(state) : 0;
            var size = page.Size > 0 ? page.Size : int.MaxValue;
            byte[]? next = null;
            if (rows.Count - from > size)
            {
                next = new byte[sizeof(int)];
                BinaryPrimitives.WriteInt32BigEndian(next, from + size);
            }

            var returned = rows.Skip(from).Take(size).ToList();
            RowsReturned += returned.Count;
            return Task.FromResult<IPage>(new InMemoryPage(returned, next));
        }
    }

    public IWriteBatch CreateBatch() => new InMemoryBatch();

    public ValueTask WriteAsync(
        IWriteBatch batch, string operation, ReplicaGroup replicas, Action<Exception?> ended, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        Exception? failure = Fail();
        lock (_lock)
        {
            var statements = ((InMemoryBatch)batch).Statements.ConvertAll(statement => (statement.Statement, Named(statement.Statement, statement.Values)));

            // One refused statement refuses the batch.
            failure ??= statements.Select(statement => Refuse(statement.Statement, statement.Item2)).FirstOrDefault(why => why is not null) is { } why
                ? new CqlFault(FaultKind.Invalid, $"node answered Invalid: {why}") { ServerMessage = why }
                : null;
            if (failure is null)
            {
                foreach (var (statement, values) in statements)
                {
                    if (statement.Kind == "DELETE")
                    {
                        // Of one row by its key; the others only check a permission.
                        var table = _tables[statement.Table];
                        if (table.Key.All(column => values.GetValueOrDefault(column) is not null))
                        {
                            table.Delete(values, BinaryPrimitives.ReadInt64BigEndian(values[InMemoryStatement.Timestamp]));
                        }

                        continue;
                    }

                    var ttl = values.TryGetValue(InMemoryStatement.Ttl, out var seconds) ? BinaryPrimitives.ReadInt32BigEndian(seconds) : 0;
                    _tables[statement.Table].Write(
                        values.Where(value => value.Key[0] != '@').ToDictionary(),
                        BinaryPrimitives.ReadInt64BigEndian(values[InMemoryStatement.Timestamp]),
                        ttl,
                        statement.Kind == "INSERT");
                }

                RowsWritten += batch.Rows;
            }
        }

        ended(failure);
        return ValueTask.CompletedTask;
    }

    public Task<IPage> ExecuteAsync(string cql, CancellationToken cancellationToken)
    {
        lock (_lock)
        {
            Executed.Add(cql);
            if (Keyspace().Match(cql) is { Success: true } keyspace)
            {
                _keyspaces[keyspace.Groups["name"].Value] = KeyspaceReplication.Parse(cql).Options;
            }
            else if (CreateTable().Match(cql) is { Success: true } table)
            {
                _tables[table.Groups["name"].Value] = new InMemoryTable(TableDefinition.Parse(cql), time);
            }
            else if (SystemTable().Match(cql) is { Success: true } system)
            {
                var name = $"{system.Groups["keyspace"].Value}.{system.Groups["table"].Value}";
                return Task.FromResult<IPage>(new InMemoryPage(system.Groups["of"].Value switch
                {
                    "keyspaces" => _keyspaces.TryGetValue(system.Groups["keyspace"].Value, out var replication) ? [[replication]] : [],
                    "columns" when _tables.TryGetValue(name, out var there) => [.. there.Definition.Columns.Select(Describe)],
                    _ => [],
                }));
            }
            else
            {
                throw new NotSupportedException(cql);
            }

            return Task.FromResult<IPage>(new InMemoryPage([]));
        }
    }

    public ReplicaGroup ReplicasOf(ReadOnlySpan<byte> partitionKey) => new(_replicas[partitionKey[^1] % Groups]);

    public int Confirming(ReplicaGroup replicas) => Confirmed;

    public void OnNodeLost(Action<Func<ReplicaGroup, bool>> lost) => _lost += lost;

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;

    private static Task<T> Refused<T>(string why) =>
        Task.FromException<T>(new CqlFault(FaultKind.Invalid, $"node answered Invalid: {why}") { ServerMessage = why });

    private static Dictionary<string, byte[]?> Named(InMemoryStatement statement, object?[] values) =>
        statement.Parameters.Zip(values).ToDictionary(pair => pair.First, pair => pair.Second as byte[]);

    private static bool IsOf(byte[]? value, object? wanted) => value is not null && wanted switch
    {
        long[] list => list.Contains(BinaryPrimitives.ReadInt64BigEndian(value)),
        byte[] one => value.AsSpan().SequenceEqual(one),
        _ => false,
    };

    // Numbers by value, texts by their bytes.
    private static bool IsBetween(InMemoryStatement select, Func<string, InMemoryCell?> row, object?[] bound)
    {
        var at = select.Parameters.Length;
        foreach (var (columns, operation) in select.Bounds)
        {
            var order = 0;
            foreach (var column in columns)
            {
                var (value, other) = (row(column)!.Value!, (byte[])bound[at++]!);
                order = order != 0 ? order
                    : column == "payment_key" ? value.AsSpan().SequenceCompareTo(other)
                    : BinaryPrimitives.ReadInt64BigEndian(value).CompareTo(BinaryPrimitives.ReadInt64BigEndian(other));
            }

            if (operation == ">" ? order <= 0 : order >= 0)
            {
                return false;
            }
        }

        return true;
    }

    private static byte[]? Value(Func<string, InMemoryCell?> row, string column) =>
        WriteTime().Match(column) is { Success: true } time
            ? row(time.Groups["column"].Value) is { } cell ? InMemoryCells.Bytes(cell.Timestamp) : null
            : row(column)?.Value;

    private static object?[] Describe(ColumnDefinition column)
    {
        var position = new byte[sizeof(int)];
        BinaryPrimitives.WriteInt32BigEndian(position, column.Position);
        return [Encoding.UTF8.GetBytes(column.Name), Encoding.UTF8.GetBytes(column.Type), Encoding.UTF8.GetBytes(column.Kind), position];
    }

    [GeneratedRegex(@"^CREATE KEYSPACE IF NOT EXISTS (?<name>\w+)")]
    private static partial Regex Keyspace();

    [GeneratedRegex(@"^CREATE TABLE IF NOT EXISTS (?<name>\w+\.\w+) \(")]
    private static partial Regex CreateTable();

    [GeneratedRegex(@"FROM system_schema\.(?<of>\w+) WHERE keyspace_name = '(?<keyspace>\w+)'( AND table_name = '(?<table>\w+)')?$")]
    private static partial Regex SystemTable();

    [GeneratedRegex(@"^writetime\((?<column>\w+)\)$")]
    private static partial Regex WriteTime();
}
