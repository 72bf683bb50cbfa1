using CsCheck;
using EcomStream.PubSub.Broker.Storage;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>Files in memory behave as files on the disk do.</summary>
public sealed class MemoryFileStoreTests : IDisposable
{
    // Positions and lengths around the pieces that a file in memory is made of.
    private static readonly Gen<int> _number = Gen.OneOf(Gen.Int[0, 600], Gen.Int[65_000, 66_000], Gen.Int[130_000, 200_000]);

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void Any_writes_reads_and_cuts_have_the_same_effect()
    {
        var path = Path.Combine(_folder.Path, "file.log");
        Gen.Select(Gen.Int[0, 2], _number, _number).Array[1, 12].Sample(
            steps =>
            {
                using var disk = DiskFileStore.Instance.Open(path, FileMode.Create);
                using var memory = new MemoryFileStore().Open(path, FileMode.Create);
                var (expected, read) = (new byte[450_000], new byte[450_000]);
                for (var i = 0; i < steps.Length; i++)
                {
                    var (kind, position, length) = steps[i];
                    foreach (var file in (StoredFile[])[disk, memory])
                    {
                        if (kind == 0)
                        {
                            file.SetLength(position);
                        }
                        else if (length > 0)
                        {
                            file.Write(Enumerable.Range(i, length).Select(n => (byte)n).ToArray(), position);
                        }
                    }

                    memory.Length.ShouldBe(disk.Length);
                    var count = disk.Read(expected.AsSpan(0, length + 1), position / 2);
                    memory.Read(read.AsSpan(0, length + 1), position / 2).ShouldBe(count);
                    read.AsSpan(0, count).SequenceEqual(expected.AsSpan(0, count)).ShouldBeTrue();
                }

                disk.Read(expected, 0).ShouldBe(memory.Read(read, 0));
                read.AsSpan(0, (int)memory.Length).SequenceEqual(expected.AsSpan(0, (int)memory.Length)).ShouldBeTrue();
            },
            iter: 60, threads: 1);
    }

    [Fact]
    public void Files_are_listed_renamed_and_deleted_alike()
    {
        var seen = new List<string>();
        foreach (var store in (FileStore[])[DiskFileStore.Instance, new MemoryFileStore()])
        {
            var topic = Path.Combine(_folder.Path, "topic");
            store.FolderExists(topic).ShouldBeFalse();
            store.CreateFolder(topic);
            store.FolderExists(topic).ShouldBeTrue();
            foreach (var name in (string[])["b.log", "a.log", "a.index", "c.log"])
            {
                store.Open(Path.Combine(topic, name), FileMode.Create).Dispose();
            }

            store.Move(Path.Combine(topic, "c.log"), Path.Combine(topic, "a.log"));
            store.Delete(Path.Combine(topic, "none"));
            store.Exists(Path.Combine(topic, "c.log")).ShouldBeFalse();
            seen.Add(string.Join(' ', store.FilesIn(topic, ".log").Select(Path.GetFileName)));
            Should.Throw<FileNotFoundException>(() => store.Open(Path.Combine(topic, "c.log"), FileMode.Open));

            var open = store.Open(Path.Combine(topic, "b.log"), FileMode.Open);
            open.Dispose();
            Should.Throw<ObjectDisposedException>(() => open.Write([1], 0));
            store.DeleteFolder(topic);
            store.Exists(Path.Combine(topic, "a.log")).ShouldBeFalse();
        }

        seen.ShouldBe(["a.log b.log", "a.log b.log"]);
    }
}
