using System.Globalization;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>The files of a segment: named by the offset of its first message, with 20 digits.</summary>
internal static class SegmentName
{
    /// <summary>The file with the messages.</summary>
    public static string PathOf(string folder, long baseOffset) =>
        Path.Combine(folder, baseOffset.ToString("D20", CultureInfo.InvariantCulture) + ".log");

    /// <summary>The offset of the first message in a file.</summary>
    /// <exception cref="BrokerStartException">The name is not that of a segment.</exception>
    public static long OffsetOf(string path) =>
        long.TryParse(Path.GetFileNameWithoutExtension(path), NumberStyles.None, CultureInfo.InvariantCulture, out var offset)
            ? offset
            : throw new BrokerStartException($"{path} is not a log of the broker: move it away.");

    /// <summary>The file with the index of a full segment.</summary>
    public static string IndexPathOf(string path) => Path.ChangeExtension(path, ".index");
}
