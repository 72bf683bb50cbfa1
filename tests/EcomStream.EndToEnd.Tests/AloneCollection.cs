namespace EcomStream.EndToEnd.Tests;

/// <summary>Tests that need the whole machine, or that others would be too slow beside: they run by themselves.</summary>
[CollectionDefinition(Name, DisableParallelization = true)]
public sealed class AloneCollection
{
    public const string Name = "Alone";
}
