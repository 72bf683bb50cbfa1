using EcomStream.Core;
using Microsoft.Data.Sqlite;

namespace EcomStream.Sqlite;

/// <summary>SQLite's result codes (https://sqlite.org/rescode.html) as the port's exceptions.</summary>
internal static class SqliteErrors
{
    private const int Corrupt = 11;
    private const int Full = 13;
    private const int CannotOpen = 14;
    private const int TooBig = 18;
    private const int Constraint = 19;
    private const int Mismatch = 20;
    private const int NotADatabase = 26;
    private const int Readonly = 8;
    private const int Busy = 5;
    private const int Locked = 6;

    /// <summary>Whether SQLite refused a value by its size, which is the row's fault for certain.</summary>
    public static bool IsTooBig(SqliteException error) => error.SqliteErrorCode == TooBig;

    /// <summary>Whether SQLite refused a row, by the row's fault or by that of the tables.</summary>
    public static bool IsRefusal(SqliteException error) => error.SqliteErrorCode is TooBig or Constraint or Mismatch;

    /// <summary>The error when the file is opened: what waiting does not mend is reported at once.</summary>
    public static Exception AtStart(SqliteException error, string path) => error.SqliteErrorCode switch
    {
        NotADatabase or Corrupt => new StoreRejectedException(Translate(error, "Opening", path).Message, error),
        _ => Translate(error, "Opening", path),
    };

    /// <summary>The error of a write that was refused by the fault of a row.</summary>
    public static StoreRejectedException Rejected(SqliteException error, string doing, string path) =>
        new($"{doing} {path}: SQLite refused a row: {error.Message}", error);

    /// <summary>Any other error. Of these, only a value that is too big is a row's fault.</summary>
    public static Exception Translate(SqliteException error, string doing, string path) => error.SqliteErrorCode switch
    {
        NotADatabase => new StoreUnavailableException(
            $"{doing} {path}: the file is not a SQLite database. Give another --data folder, or move the file away.", error),
        Corrupt => new StoreUnavailableException(
            $"{doing} {path}: the database is damaged. Stop the process and restore a copy, or salvage it with 'sqlite3 {path} .recover'.", error),
        TooBig => Rejected(error, doing, path),
        Constraint or Mismatch => new StoreUnavailableException(
            $"{doing} {path}: SQLite refused a row, and would refuse others: {error.Message}. Check the constraints and triggers of its tables.", error),
        Full => new StoreUnavailableException($"{doing} {path}: the disk is full. Free space; writing continues by itself.", error),
        CannotOpen => new StoreUnavailableException(
            $"{doing} {path}: the file cannot be opened. Check that its folder exists and may be written.", error),
        Readonly => new StoreUnavailableException($"{doing} {path}: the file or its disk is read-only.", error),
        Busy or Locked => new StoreUnavailableException($"{doing} {path}: another program holds a lock on the database.", error),
        _ => new StoreUnavailableException($"{doing} {path}: {error.Message}", error),
    };
}
