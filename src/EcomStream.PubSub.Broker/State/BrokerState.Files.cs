using System.Collections.Concurrent;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.State;

/// <summary>Deleting the files of what is deleted.</summary>
internal sealed partial class BrokerState
{
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

    // What cannot be deleted is an orphan for the next start.
    private void DeleteFiles(IEnumerable<string> paths)
    {
        foreach (var path in paths)
        {
            try
            {
                if (_options.Files.Store.FolderExists(path))
                {
                    _options.Files.Store.DeleteFolder(path);
                }
                else
                {
                    _options.Files.Store.Delete(path);
                }
            }
            catch (IOException error)
            {
                _logger.LogWarning("The unused file or folder {Path} cannot be deleted; the next start tries again: {Reason}", path, error.Message);
            }
        }
    }
}
