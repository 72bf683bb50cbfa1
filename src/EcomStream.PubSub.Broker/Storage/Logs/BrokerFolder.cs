using System.Globalization;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>The broker's folder: where each file stands, and that one broker owns it at a time.</summary>
internal sealed class BrokerFolder : IDisposable
{
    private const string LockName = "broker.lock";

    private readonly string _path;
    private readonly FileStream? _ownership;

    private BrokerFolder(string path, FileStream? ownership)
    {
        _path = path;
        _ownership = ownership;
    }

    public string MetadataPath => Path.Combine(_path, "broker.json");

    /// <summary>A folder that is not on the disk (<see cref="Storage.MemoryFileStore"/>): only the names count.</summary>
    public static BrokerFolder InMemory() => new("memory", null);

    /// <exception cref="BrokerStartException">It cannot be made, or is in use.</exception>
    public static BrokerFolder Own(string path)
    {
        try
        {
            foreach (var folder in (string[])["topics", "subscriptions", "snapshots"])
            {
                Directory.CreateDirectory(Path.Combine(path, folder));
            }
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BrokerStartException($"The broker's folder {path} cannot be created ({error.Message.TrimEnd('.')}). Give another folder.", error);
        }

        try
        {
            return new BrokerFolder(
                Path.GetFullPath(path), new FileStream(Path.Combine(path, LockName), FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new BrokerStartException(
                $"The broker's folder {path} is in use by another broker, or may not be written ({error.Message.TrimEnd('.')}). Stop the other one, or give another folder.", error)
            {
                IsFolderInUse = error is IOException,
            };
        }
    }

    /// <summary>Where the ids of messages went when the broker was closed (<see cref="Storage.ClosedMarker"/>).</summary>
    public string ClosedPath => Path.Combine(_path, "closed");

    /// <summary>The file that one broker at a time holds open.</summary>
    public string LockPath => Path.Combine(_path, LockName);

    public string AckPath(int subscription) => Path.Combine(_path, "subscriptions", $"{subscription}.acks");

    public string SnapshotPath(int snapshot) => Path.Combine(_path, "snapshots", $"{snapshot}.acks");

    public string TopicFolder(int topic) => Path.Combine(_path, "topics", $"{topic}");

    /// <summary>
    /// Files and folders of topics, subscriptions and snapshots that are not among the given ones: what a crash left between
    /// creating or deleting them and noting it. In the order in which they are deleted: a marker without its file would be damage.
    /// </summary>
    public IEnumerable<string> Orphans(IReadOnlySet<int> topics, IReadOnlySet<int> subscriptions, IReadOnlySet<int> snapshots) =>
    [
        .. Unknown(Directory.GetDirectories(Path.Combine(_path, "topics")), topics),
        .. Unknown(Directory.GetFiles(Path.Combine(_path, "subscriptions")), subscriptions)
            .OrderByDescending(path => path.EndsWith(AckFile.MarkerPath(""), StringComparison.Ordinal)),
        .. Unknown(Directory.GetFiles(Path.Combine(_path, "snapshots")), snapshots),
    ];

    /// <summary>The folders of all topics.</summary>
    public IEnumerable<string> TopicFolders() => Directory.GetDirectories(Path.Combine(_path, "topics")).Order(StringComparer.Ordinal);

    /// <summary>The files with the acks of all subscriptions, also those that are missing and have a <see cref="SyncMarker"/>.</summary>
    public IEnumerable<string> AckPaths() => AckPaths("subscriptions");

    /// <summary>The files with the acks of all snapshots.</summary>
    public IEnumerable<string> SnapshotPaths() => AckPaths("snapshots");

    /// <summary>Whether there are messages of any topic.</summary>
    public bool HasMessages() =>
        Directory.EnumerateFiles(Path.Combine(_path, "topics"), "*.log", SearchOption.AllDirectories).Any(file => new FileInfo(file).Length > 0);

    // What does not begin with a number is not the broker's.
    private static IEnumerable<string> Unknown(string[] paths, IReadOnlySet<int> known) => paths.Where(path =>
        int.TryParse(Path.GetFileName(path).Split('.')[0], NumberStyles.None, CultureInfo.InvariantCulture, out var id)
        && (!known.Contains(id) || path.EndsWith(".new", StringComparison.Ordinal)));

    public void Dispose() => _ownership?.Dispose();

    private IEnumerable<string> AckPaths(string folder)
    {
        var marker = AckFile.MarkerPath("");
        return Directory.GetFiles(Path.Combine(_path, folder), "*.acks")
            .Concat(Directory.GetFiles(Path.Combine(_path, folder), "*.acks" + marker).Select(path => path[..^marker.Length]))
            .Distinct()
            .Order(StringComparer.Ordinal);
    }
}
