namespace EcomStream.Cassandra.Seam;

/// <summary>One page of rows, read forward.</summary>
internal interface IPage
{
    /// <summary>Requests the next page; null on the last one.</summary>
    byte[]? PagingState { get; }

    /// <summary>Goes to the next row.</summary>
    /// <returns>Whether there is one.</returns>
    bool Next();

    /// <summary>Whether the column is null. A value of no bytes is not.</summary>
    bool IsNull(int column);

    /// <summary>The value's bytes; empty for null.</summary>
    ReadOnlySpan<byte> Bytes(int column);

    /// <summary>A bigint; null for null and for a value of another size.</summary>
    long? Int64OrNull(int column);

    /// <summary>An int; null for null and for a value of another size.</summary>
    int? Int32OrNull(int column);

    /// <summary>A double; null for null and for a value of another size.</summary>
    double? DoubleOrNull(int column);

    /// <summary>A text; null for null.</summary>
    string? TextOrNull(int column);

    /// <summary>A map of texts; empty for null.</summary>
    IReadOnlyDictionary<string, string> Map(int column);
}
