namespace EcomStream.PubSub.Broker;

/// <summary>When what was written is synced to the disk. Each survives a crash or kill of the process.</summary>
public enum FsyncPolicy
{
    /// <summary>
    /// Synced at each interval: a power cut loses at most what was published, acked, created, changed or deleted within it.
    /// </summary>
    Interval = 0,

    /// <summary>Synced before a request is answered: a power cut loses nothing that was answered.</summary>
    Always,

    /// <summary>Left to the operating system: a power cut loses what it has not written back, half a minute or so.</summary>
    Never,
}
