namespace EcomStream.Chaos.Fuzzing;

/// <summary>Something that reads foreign input.</summary>
internal interface IFuzzTarget : IAsyncDisposable
{
    /// <summary>Its name on the command line.</summary>
    string Name { get; }

    /// <summary>Its share of the inputs, relative to the others: slow ones have a small share.</summary>
    int Weight { get; }

    /// <summary>Hands one input over. The errors that are documented for wrong input are expected and do not leave the method.</summary>
    /// <exception cref="Exception">Anything that leaves it is a fault.</exception>
    void Run(FuzzInput input);
}

/// <summary>A wrong result.</summary>
internal sealed class FuzzException(string message) : Exception(message);
