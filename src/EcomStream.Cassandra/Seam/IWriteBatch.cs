namespace EcomStream.Cassandra.Seam;

/// <summary>Prepared statements with their values: of one row, or an unlogged batch of rows of one replica group.</summary>
internal interface IWriteBatch : IDisposable
{
    /// <summary>Rows that were appended.</summary>
    int Rows { get; }

    /// <summary>Bytes so far.</summary>
    int Length { get; }

    /// <summary>Adds a statement with its values.</summary>
    void Add<TValues>(IStatement statement, in TValues values)
        where TValues : struct, IStatementValues;

    /// <summary>Appends all statements of a row, which another batch of the same client holds.</summary>
    void Append(IWriteBatch row);

    /// <summary>Removes all statements.</summary>
    void Clear();
}
