namespace EcomStream.TestSupport;

/// <summary>
/// How much the long tests do: everything where <c>ECOMSTREAM_TEST_FULL=1</c> is set, as in CI, and a part of it elsewhere.
/// What they check is the same; fewer seeds, kills or messages are less likely to find a rare fault.
/// </summary>
public static class TestSize
{
    /// <summary>The variable.</summary>
    public const string Variable = "ECOMSTREAM_TEST_FULL";

    /// <summary>Whether everything is run.</summary>
    public static bool IsFull { get; } = Environment.GetEnvironmentVariable(Variable) == "1";

    /// <summary>The number for this run.</summary>
    public static int Of(int full, int part) => IsFull ? full : part;
}
