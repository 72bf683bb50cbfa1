using System.Text;
using Microsoft.Data.Sqlite;
using SQLitePCL;

namespace EcomStream.Sqlite;

/// <summary>
/// A statement prepared once and run many times, on SQLite's own interface (https://sqlite.org/c3ref/stmt.html):
/// values are bound and read by number without boxes or readers, which is most of the cost of a row.
/// </summary>
internal sealed class Statement : IDisposable
{
    // Long enough for the texts of a row; longer ones get a buffer of their own.
    private const int StackBytes = 512;

    private readonly sqlite3 _database;
    private readonly sqlite3_stmt _statement;

    public Statement(SqliteConnection connection, string text)
    {
        _database = connection.Handle ?? throw new InvalidOperationException("The connection is not open.");
        Check(raw.sqlite3_prepare_v3(_database, text, raw.SQLITE_PREPARE_PERSISTENT, out _statement));
    }

    /// <summary>Binds the parameter ?<paramref name="parameter"/>.</summary>
    public Statement Bind(int parameter, long? value)
    {
        Check(value is { } number
            ? raw.sqlite3_bind_int64(_statement, parameter, number)
            : raw.sqlite3_bind_null(_statement, parameter));
        return this;
    }

    /// <inheritdoc cref="Bind(int, long?)"/>
    public Statement Bind(int parameter, double? value)
    {
        Check(value is { } number
            ? raw.sqlite3_bind_double(_statement, parameter, number)
            : raw.sqlite3_bind_null(_statement, parameter));
        return this;
    }

    /// <inheritdoc cref="Bind(int, long?)"/>
    public Statement Bind(int parameter, string? value)
    {
        if (value is null)
        {
            Check(raw.sqlite3_bind_null(_statement, parameter));
            return this;
        }

        var most = Encoding.UTF8.GetMaxByteCount(value.Length);
        Span<byte> buffer = most <= StackBytes ? stackalloc byte[StackBytes] : new byte[most];
        var length = Encoding.UTF8.GetBytes(value, buffer);
        Check(raw.sqlite3_bind_text(_statement, parameter, buffer[..length]));
        return this;
    }

    /// <inheritdoc cref="Bind(int, long?)"/>
    public Statement Bind(int parameter, ReadOnlySpan<byte> value)
    {
        // A blob without an address would be bound as null.
        Check(value.IsEmpty
            ? raw.sqlite3_bind_zeroblob(_statement, parameter, 0)
            : raw.sqlite3_bind_blob(_statement, parameter, value));
        return this;
    }

    /// <summary>Goes to the next row. After the last one, or an error, the statement is reset.</summary>
    /// <returns>Whether there is one.</returns>
    public bool Step()
    {
        var result = raw.sqlite3_step(_statement);
        if (result == raw.SQLITE_ROW)
        {
            return true;
        }

        if (result == raw.SQLITE_DONE)
        {
            Reset();
            return false;
        }

        var error = Error(result);
        Reset();
        throw error;
    }

    /// <summary>Runs a statement that returns no rows.</summary>
    public void Execute()
    {
        while (Step())
        {
        }
    }

    /// <summary>Leaves the rows that are not read; what it returns is the error that <see cref="Step"/> threw.</summary>
    public void Reset() => _ = raw.sqlite3_reset(_statement);

    public bool IsNull(int column) => raw.sqlite3_column_type(_statement, column) == raw.SQLITE_NULL;

    public long Int64(int column) => raw.sqlite3_column_int64(_statement, column);

    public long? Int64OrNull(int column) => IsNull(column) ? null : Int64(column);

    public double? DoubleOrNull(int column) => IsNull(column) ? null : raw.sqlite3_column_double(_statement, column);

    public string? TextOrNull(int column) => IsNull(column) ? null : Text(column);

    /// <summary>The whole text, also where it holds a zero character.</summary>
    public string Text(int column) => Encoding.UTF8.GetString(Blob(column));

    /// <summary>The bytes, valid until the next call.</summary>
    public ReadOnlySpan<byte> Blob(int column) => raw.sqlite3_column_blob(_statement, column);

    public void Dispose() => _statement?.Dispose();

    private void Check(int result)
    {
        if (result != raw.SQLITE_OK)
        {
            throw Error(result);
        }
    }

    private SqliteException Error(int result) =>
        new(raw.sqlite3_errmsg(_database).utf8_to_string(), result & 0xff, raw.sqlite3_extended_errcode(_database));
}
