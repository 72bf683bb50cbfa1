namespace EcomStream.PubSub.Broker.Tests;

/// <summary>A folder that goes with the test.</summary>
internal sealed class TemporaryFolder : IDisposable
{
    public TemporaryFolder() => Directory.CreateDirectory(Path);

    public string Path { get; } = System.IO.Path.Combine(System.IO.Path.GetTempPath(), $"ecomstream-broker-{Guid.NewGuid():n}");

    /// <summary>A copy of everything in it as it is now: what a crash at this instant would leave.</summary>
    public TemporaryFolder Snapshot()
    {
        var copy = new TemporaryFolder();
        foreach (var file in Directory.EnumerateFiles(Path, "*", SearchOption.AllDirectories))
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
