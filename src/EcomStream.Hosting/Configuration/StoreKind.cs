namespace EcomStream.Hosting;

/// <summary>Which fact store a process writes to.</summary>
internal enum StoreKind
{
    Sqlite,
    Cassandra,
}
