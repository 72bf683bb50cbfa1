namespace EcomStream.Cassandra.Seam;

/// <summary>
/// Takes the values of one statement, in the order of its parameters. Implemented by a struct, so that the mapping is
/// compiled for each client and writes its values without a virtual call or boxing.
/// </summary>
internal interface ICells
{
    /// <summary>A bigint, or null.</summary>
    void Bigint(long? value);

    /// <summary>An int.</summary>
    void Int(int value);

    /// <summary>A double, or null.</summary>
    void Double(double? value);

    /// <summary>A text, or null.</summary>
    void Text(string? value);

    /// <summary>A blob.</summary>
    void Blob(ReadOnlySpan<byte> value);

    /// <summary>A value of no bytes, which is a live cell. Most drivers read it as null; docs/clients.md says which do not.</summary>
    void Empty();

    /// <summary>A list of bigints.</summary>
    void Bigints(IReadOnlyCollection<long> values);
}

/// <summary>The values of one statement.</summary>
internal interface IStatementValues
{
    /// <summary>Writes them in the order of the statement's parameters.</summary>
    void Write<TCells>(ref TCells cells)
        where TCells : struct, ICells;
}
