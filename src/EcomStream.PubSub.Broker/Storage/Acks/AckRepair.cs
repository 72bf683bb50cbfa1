namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// Reads a file of acks around damage. Messages whose acks cannot be read count as not acked, so that they are delivered again;
/// when the first frame is damaged, these are all messages that no other frame acks, and when the file is missing, all messages.
/// </summary>
internal static class AckRepair
{
    /// <summary>Finds the damage of a file, and repairs it.</summary>
    /// <param name="path">The file.</param>
    /// <param name="mayBeNew">As of <see cref="AckLog.IsDamaged"/>.</param>
    /// <param name="files">How a repaired file is written; null to change nothing.</param>
    public static IReadOnlyList<LogDamage> Run(string path, bool mayBeNew, BrokerFiles? files)
    {
        if (AckLog.IsMissing(path, DiskFileStore.Instance))
        {
            // Without the marker the subscription begins where it was created.
            files?.Delete(AckFile.MarkerPath(path));
            files?.SyncDirectory(Path.GetDirectoryName(path)!);
            return [new LogDamage(path, 0, 0, 0, 0) { IsOfAcks = true }];
        }

        var bytes = File.ReadAllBytes(path);
        StoredAcks.Read(bytes, out var end);
        if (!AckLog.IsDamaged(bytes, end, path, DiskFileStore.Instance, mayBeNew))
        {
            return [];
        }

        var found = new List<LogDamage>();
        var acks = new StoredAcks(new AckState(0));
        for (var at = 0; at < bytes.Length;)
        {
            var begin = at;
            if (AckFrame.TryRead(bytes, ref at, out var runs))
            {
                acks.Apply(runs, isFirst: begin == 0);
                continue;
            }

            at += AckFrame.FirstIntact(bytes.AsSpan(at));
            found.Add(new LogDamage(path, begin, at - begin, 0, 0) { IsOfAcks = true });
        }

        if (found.Count == 0)
        {
            // The file is empty.
            found.Add(new LogDamage(path, 0, 0, 0, 0) { IsOfAcks = true });
        }

        if (files is not null)
        {
            File.Copy(path, path + ".damaged", overwrite: true);
            files.Replace(path, acks.ToFrame(acks.State));
            files.Delete(AckFile.MarkerPath(path));
        }

        return found;
    }
}
