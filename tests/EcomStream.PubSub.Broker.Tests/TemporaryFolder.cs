namespace EcomStream.PubSub.Broker.Tests;

/// <summary>A folder that goes with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public TemporaryFolder() => Directory.CreateDirectory(Path);

    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"ecomstream-broker-{Guid.NewGuid():n}");

    /// <summary>
    /// The files as they were at one instant. A listing is not a snapshot: of the files that are created while it is read
    /// it may hold a later one and lack an earlier one (readdir(3)). Two listings that agree had no change between them.
    /// </summary>
    public HashSet<string> Files()
    {
        var before = List();
        while (true)
        {
            var now = List();
            if (now.SetEquals(before))
            {
                return now;
            }

            before = now;
        }

        HashSet<string> List() => [.. Directory.EnumerateFiles(Path, "*", SearchOption.AllDirectories)];
    }

    /// <summary>A copy of everything in it as it is now: what a crash at this instant would leave.</summary>
    public TemporaryFolder Snapshot()
    {
        var copy = new TemporaryFolder();

        // First the markers, which say how far other files are synced: these may be newer, but not older.
        foreach (var file in Files().OrderByDescending(file => file.EndsWith("synced", StringComparison.Ordinal)))
        {
            var target = System.IO.Path.Combine(copy.Path, System.IO.Path.GetRelativePath(Path, file));
            Directory.CreateDirectory(System.IO.Path.GetDirectoryName(target)!);
            if (System.IO.Path.GetFileName(file) == "broker.lock")
            {
                continue;
            }

            try
            {
                using var source = new FileStream(file, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete);
                using var destination = File.Create(target);
                source.CopyTo(destination);
            }
            catch (FileNotFoundException)
            {
                // Deleted or renamed meanwhile.
            }
        }

        return copy;
    }

    public void Dispose() => Directory.Delete(Path, recursive: true);
}
