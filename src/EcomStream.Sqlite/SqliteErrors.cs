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

    public static Exception Translate(SqliteException error, string doing, string path) => error.SqliteErrorCode switch
    {
        NotADatabase => new StoreRejectedException(
            $"{doing} {path}: the file is not a SQLite database. Give another --data folder, or move the file away.", error),
        Corrupt => new StoreRejectedException(
            $"{doing} {path}: the database is damaged. Restore a copy, or salvage it with 'sqlite3 {path} .recover'.", error),
        TooBig or Constraint or Mismatch => new StoreRejectedException($"{doing} {path}: SQLite refuses a value: {error.Message}", error),
        Full => new StoreUnavailableException($"{doing} {path}: the disk is full. Free space; writing goes on by itself.", error),
        CannotOpen => new StoreUnavailableException(
            $"{doing} {path}: the file cannot be opened. Check that its folder exists and may be written.", error),
        Readonly => new StoreUnavailableException($"{doing} {path}: the file or its disk is read-only.", error),
        Busy or Locked => new StoreUnavailableException($"{doing} {path}: another program holds a lock on the database.", error),
        _ => new StoreUnavailableException($"{doing} {path}: {error.Message}", error),
    };
}
