namespace EcomStream.Cassandra.Seam;

/// <summary>Which page of a read.</summary>
/// <param name="Size">Rows per page; 0 for all in one page.</param>
/// <param name="State">What the page before returned; null for the first one.</param>
internal readonly record struct PageRequest(int Size, byte[]? State)
{
    /// <summary>Everything in one page.</summary>
    public static PageRequest All => default;
}
