using EcomStream.Cql.Protocol;

namespace EcomStream.Cql.Cluster;

/// <summary>
/// Prepared statements, of one row or of the rows of one replica set, encoded as they are added: an unlogged BATCH, or
/// an EXECUTE where it is only one (native_protocol_v5.spec, sections 4.1.6 and 4.1.7).
/// </summary>
internal sealed class StatementBatch : IDisposable
{
    private const byte Unlogged = 1;
    private const byte PreparedKind = 1;
    private const int ValuesFlag = 0x01;
    private const int CountAt = 1;
    private const int FirstStatement = 3;

    private readonly ByteWriter _body = new(1 << 13);
    private readonly byte _version;
    private readonly List<PreparedStatement> _used = [];
    private int _firstValues;

    public StatementBatch(byte version)
    {
        _version = version;
        _body.Byte(Unlogged);
        _body.Short(0);
    }

    /// <summary>Statements so far.</summary>
    public int Statements { get; private set; }

    /// <summary>Rows that were appended.</summary>
    public int Rows { get; private set; }

    /// <summary>Bytes so far.</summary>
    public int Length => _body.Length;

    /// <summary>Begins a statement; all its values must be written to the result, in order, before the next one.</summary>
    public ByteWriter Add(PreparedStatement statement)
    {
        _body.Byte(PreparedKind);
        _body.ShortBytes(statement.Id);
        if (Statements == 0)
        {
            _firstValues = _body.Length;
        }

        _body.Short(statement.Parameters.Count);
        Statements++;
        if (!_used.Contains(statement))
        {
            _used.Add(statement);
        }

        return _body;
    }

    /// <summary>Appends the statements of a row.</summary>
    public void Append(StatementBatch row)
    {
        if (Statements == 0)
        {
            _firstValues = row._firstValues;
        }

        _body.Raw(row._body.Written[FirstStatement..]);
        Statements += row.Statements;
        Rows++;
        foreach (var statement in row._used)
        {
            if (!_used.Contains(statement))
            {
                _used.Add(statement);
            }
        }
    }

    /// <summary>Forgets all statements.</summary>
    public void Clear()
    {
        _body.Truncate(FirstStatement);
        _used.Clear();
        (Statements, Rows) = (0, 0);
    }

    /// <summary>The request.</summary>
    /// <param name="consistency">Its consistency.</param>
    /// <param name="operation">What it does, for errors.</param>
    public CqlRequest ToRequest(Consistency consistency, string operation)
    {
        if (Statements == 1)
        {
            using var execute = new ByteWriter(_body.Length + 64);
            execute.ShortBytes(_used[0].Id);
            if (_version >= 5)
            {
                execute.ShortBytes(_used[0].Result.Id);
            }

            // Values come last where there are no other parameters.
            QueryRequest.Parameters(execute, _version, consistency, ValuesFlag, 0, null, null);
            execute.Raw(_body.Written[_firstValues..]);
            return new CqlRequest(Opcode.Execute, execute.Written.ToArray(), operation) { Prepared = [.. _used], Rows = Rows };
        }

        _body.PatchShort(CountAt, Statements);
        QueryRequest.Parameters(_body, _version, consistency, 0, 0, null, null);
        return new CqlRequest(Opcode.Batch, _body.Written.ToArray(), operation) { Prepared = [.. _used], Rows = Rows };
    }

    public void Dispose() => _body.Dispose();
}
