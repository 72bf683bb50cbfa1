namespace EcomStream.Cassandra.Seam;

/// <summary>A prepared statement.</summary>
internal interface IStatement
{
    /// <summary>Its text.</summary>
    string Cql { get; }
}
