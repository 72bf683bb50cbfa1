using System.Text.Json;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// The message ids that each topic goes on with, written when the broker is closed and deleted before anything is written
/// again. After a crash, a power cut or in a copy of the folder it is missing or does not count: messages may have been lost
/// or published elsewhere since, so that ids begin anew at a random number.
/// </summary>
internal static class ClosedMarker
{
    // Beyond any time of change, which is then the older of the two times that .NET reports as time of creation on Linux.
    private static readonly DateTime _farFuture = new(2100, 1, 1, 0, 0, 0, DateTimeKind.Utc);

    /// <summary>Reads and deletes the marker; the deletion is durable.</summary>
    /// <param name="path">The marker.</param>
    /// <param name="identity">A file that a copy of the folder has as another file.</param>
    /// <param name="files">How the folder is written.</param>
    /// <returns>By topic; empty when the ids begin anew.</returns>
    public static IReadOnlyDictionary<int, NextMessage> Take(string path, string identity, BrokerFiles files)
    {
        var taken = new Dictionary<int, NextMessage>();
        if (!File.Exists(path))
        {
            return taken;
        }

        try
        {
            if (JsonSerializer.Deserialize<MarkerContent>(File.ReadAllBytes(path)) is { } content && content.Created == Created(identity))
            {
                taken = content.Topics;
            }
        }
        catch (JsonException)
        {
            // It was not written to its end.
        }

        files.Delete(path);
        files.SyncDirectory(Path.GetDirectoryName(path)!);
        return taken;
    }

    public static void Write(string path, string identity, Dictionary<int, NextMessage> topics)
    {
        if (!OperatingSystem.IsWindows())
        {
            File.SetLastWriteTimeUtc(identity, _farFuture);
        }

        File.WriteAllBytes(path, JsonSerializer.SerializeToUtf8Bytes(new MarkerContent(Created(identity), topics)));
    }

    private static long Created(string file) => File.GetCreationTimeUtc(file).Ticks;

    /// <param name="Offset">The end of the topic's log.</param>
    /// <param name="Id">The id of the message that gets this offset.</param>
    internal sealed record NextMessage(long Offset, long Id);

    private sealed record MarkerContent(long Created, Dictionary<int, NextMessage> Topics);
}
