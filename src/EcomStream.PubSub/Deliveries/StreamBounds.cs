namespace EcomStream.PubSub;

/// <summary>The bound on what is outstanding is per subscription, and the service counts per stream.</summary>
internal static class StreamBounds
{
    /// <summary>A stream's share of the bound, at least 1.</summary>
    /// <param name="whole">The bound, messages or bytes.</param>
    /// <param name="stream">The stream's number, from 0.</param>
    /// <param name="streams">How many there are.</param>
    public static long Share(long whole, int stream, int streams) => Math.Max(1, (whole / streams) + (stream < whole % streams ? 1 : 0));
}
