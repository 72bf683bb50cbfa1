using EcomStream.Cassandra.Cluster;
using EcomStream.Cassandra.Protocol;

namespace EcomStream.Cassandra;

/// <summary>
/// Prepared statements for the partitions of one replica set, encoded as they are added: an unlogged BATCH, or an
/// EXECUTE where it is only one (native_protocol_v5.spec, sections 4.1.6 and 4.1.7).
/// </summary>
internal sealed class StatementBatch : IDisposable
{
    private const byte Unlogged = 1;
    private const byte PreparedKind = 1;
    private const int ValuesFlag = 0x01;
    private const int CountAt = 1;

    private readonly ByteWriter _body = new(1 << 13);
    private readonly byte _version;
    private readonly List<PreparedStatement> _used = [];
    private int _firstValues;

    public StatementBatch(ReplicaSet replicas, byte version)
    {
        (Replicas, _version) = (replicas, version);
        _body.Byte(Unlogged);
        _body.Short(0);
    }

    public ReplicaSet Replicas { get; }

    /// <summary>Statements so far.</summary>
    public int Statements { get; private set; }

    /// <summary>Rows so far, as the caller counts them.</summary>
    public int Rows { get; set; }

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

    /// <summary>The request.</summary>
    /// <param name="consistency">Its consistency.</param>
    /// <param name="name">What it does, for errors.</param>
    public CqlRequest ToRequest(Consistency consistency, string name)
    {
        if (Statements == 1)
        {
            using var execute = new ByteWriter(_body.Length + 64);
            execute.ShortBytes(_used[0].Id);
            if (_version >= 5)
            {
                execute.ShortBytes(_used[0].Result.Id);
            }

            var values = _body.Written[_firstValues..].ToArray();
            Query.Parameters(execute, _version, consistency, ValuesFlag, 0, null, writer => writer.Raw(values));
            return new CqlRequest(Opcode.Execute, execute.Written.ToArray(), name) { Prepared = _used };
        }

        _body.PatchShort(CountAt, Statements);
        Query.Parameters(_body, _version, consistency, 0, 0, null, null);
        return new CqlRequest(Opcode.Batch, _body.Written.ToArray(), name) { Prepared = _used };
    }

    public void Dispose() => _body.Dispose();
}
