using EcomStream.Core;

namespace EcomStream.Testing;

/// <summary>What an <see cref="InMemoryFactStore"/> is asked to do, for its fault hook.</summary>
public enum StoreOperation
{
    /// <summary><see cref="IFactStore.InitializeAsync"/>.</summary>
    Initialize,

    /// <summary><see cref="IFactStore.WriteAsync"/>.</summary>
    Write,

    /// <summary><see cref="IFactStore.ReadAsync"/>.</summary>
    Read,

    /// <summary><see cref="IFactStore.WriteUnmatchedAsync"/>.</summary>
    WriteUnmatched,

    /// <summary><see cref="IFactStore.ReadUnmatchedAsync"/>.</summary>
    ReadUnmatched,

    /// <summary><see cref="IFactStore.ListUnmatchedAsync"/> and <see cref="IFactStore.ListUnjoinedAsync"/>.</summary>
    List,

    /// <summary><see cref="ICleanStopStore.SetCleanStopAsync"/>.</summary>
    SetCleanStop,

    /// <summary><see cref="ICleanStopStore.TakeCleanStopAsync"/>.</summary>
    TakeCleanStop,
}
