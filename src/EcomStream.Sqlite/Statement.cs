using Microsoft.Data.Sqlite;

namespace EcomStream.Sqlite;

/// <summary>A prepared statement with positional parameters $1, $2, ... that are bound by number.</summary>
internal sealed class Statement : IDisposable
{
    private readonly SqliteParameter[] _parameters;

    public Statement(SqliteConnection connection, string text, int parameters)
    {
        Command = connection.CreateCommand();
        Command.CommandText = text;
        _parameters = [.. Enumerable.Range(1, parameters).Select(n => Command.Parameters.Add(new SqliteParameter($"${n}", null)))];
        Command.Prepare();
    }

    public SqliteCommand Command { get; }

    public object? this[int parameter]
    {
        set => _parameters[parameter - 1].Value = value ?? DBNull.Value;
    }

    public void Execute() => Command.ExecuteNonQuery();

    public void Dispose() => Command.Dispose();
}
