namespace EcomStream.PubSub;

/// <summary>How <see cref="FlowControl"/> counts a delivery.</summary>
internal enum FlowState : byte
{
    /// <summary>Received, and not handed out.</summary>
    Received,

    /// <summary>Handed out: it counts in the bound on what is handed out, too.</summary>
    HandedOut,

    /// <summary>No longer counted.</summary>
    Released,
}
