using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.State;

/// <summary>Deleting the files of what is deleted.</summary>
internal sealed partial class BrokerState
{
    private const int MostSkippedIds = 100;

    private readonly ConcurrentQueue<string> _toDelete = [];

    /// <summary>Deletes the files of what is deleted, once that is durable.</summary>
    public void DeleteFiles()
    {
        if (_toDelete.IsEmpty)
        {
            return;
        }

        var paths = new List<string>();
        while (_toDelete.TryDequeue(out var path))
        {
            paths.Add(path);
        }

        _metadata.Sync();
        DeleteFiles(paths);
    }

    private void DeleteLater(IEnumerable<string> paths)
    {
        foreach (var path in paths)
        {
            _toDelete.Enqueue(path);
        }
    }

    // A power cut can lose the journal entry of a topic or a subscription and leave its files. Its number is used again, and
    // the files must not come back once the new entry is durable.
    private void DeleteLeftovers(IEnumerable<string> paths)
    {
        foreach (var path in paths.Where(path => _options.Files.Store.FolderExists(path) || _options.Files.Store.Exists(path)))
        {
            Delete(path);
            _options.Files.SyncDirectory(Path.GetDirectoryName(path)!);
        }
    }

    // The next number whose files do not exist or can be deleted.
    private int FreeId(Func<int, IEnumerable<string>> files)
    {
        for (var id = _metadata.NextId; ; id++)
        {
            try
            {
                DeleteLeftovers(files(id));
                return id;
            }
            catch (IOException error) when (id < _metadata.NextId + MostSkippedIds && _options.Files.Failure is null)
            {
                _logger.LogWarning("The number {Id} is skipped, because its unused files cannot be deleted: {Reason}", id, error.Message);
            }
        }
    }

    // Deletes all files without an entry when the folder is opened.
    private void DeleteOrphans()
    {
        var orphans = _folder.Orphans(_metadata.Topics.Keys.ToHashSet(), _metadata.Subscriptions.Keys.ToHashSet(), _metadata.Snapshots.Keys.ToHashSet()).ToList();
        DeleteFiles(orphans);
        foreach (var directory in orphans.Select(path => Path.GetDirectoryName(path)!).Distinct())
        {
            _options.Files.SyncDirectory(directory);
        }
    }

    private void Delete(string path)
    {
        if (_options.Files.Store.FolderExists(path))
        {
            _options.Files.DeleteFolder(path);
        }
        else
        {
            _options.Files.Delete(path);
        }
    }

    // What cannot be deleted is an orphan for the next start.
    private void DeleteFiles(IEnumerable<string> paths)
    {
        foreach (var path in paths)
        {
            try
            {
                Delete(path);
            }
            catch (IOException error)
            {
                _logger.LogWarning("The unused file or folder {Path} cannot be deleted; the next start tries again: {Reason}", path, error.Message);
            }
        }
    }
}
