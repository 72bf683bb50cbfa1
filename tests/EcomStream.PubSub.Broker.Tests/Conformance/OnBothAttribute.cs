using System.Reflection;
using Xunit.Sdk;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>Runs a documented behaviour on the broker, and on Google's emulator where it is there.</summary>
/// <param name="reference">Where it is documented.</param>
[AttributeUsage(AttributeTargets.Method)]
internal sealed class OnBothAttribute(string reference) : DataAttribute
{
    /// <summary>Where it is documented.</summary>
    public string Reference { get; } = reference;

    /// <summary>What the emulator does instead; null where it does as documented.</summary>
    public string? Emulator { get; init; }

    public override IEnumerable<object[]> GetData(MethodInfo testMethod) => [[ServerKind.Broker], [ServerKind.Emulator]];
}

/// <summary>Which server a behaviour is looked for on.</summary>
public enum ServerKind
{
    Broker,
    Emulator,
}
