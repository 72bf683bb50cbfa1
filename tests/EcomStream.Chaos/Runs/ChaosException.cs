namespace EcomStream.Chaos.Runs;

/// <summary>The run has found a fault and cannot go on.</summary>
internal sealed class ChaosException(string message) : Exception(message);
