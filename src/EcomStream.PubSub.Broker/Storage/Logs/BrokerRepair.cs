using EcomStream.PubSub.Broker.Storage;

namespace EcomStream.PubSub.Broker;

/// <summary>
/// Finds damaged messages and acks in the folder of a broker that is not running, and makes the files readable around them: a
/// damaged message is replaced by an empty record, which every subscription skips; messages whose acks are damaged are
/// delivered again. The damaged files are kept beside the new ones.
/// </summary>
public static class BrokerRepair
{
    /// <summary>Reports the damage and changes nothing.</summary>
    /// <param name="dataDirectory">The broker's folder.</param>
    /// <returns>One entry per damaged place; empty when everything can be read.</returns>
    /// <exception cref="BrokerStartException">The folder is in use, or a file in it is not the broker's.</exception>
    public static IReadOnlyList<LogDamage> Check(string dataDirectory) => Run(dataDirectory, repair: false);

    /// <summary>Repairs the damage. Messages that cannot be read are lost; all others keep their ids, and their acks where these can be read.</summary>
    /// <param name="dataDirectory">The broker's folder.</param>
    /// <returns>What was repaired; empty when everything can be read.</returns>
    /// <exception cref="BrokerStartException">The folder is in use, or a file in it is not the broker's.</exception>
    public static IReadOnlyList<LogDamage> Repair(string dataDirectory) => Run(dataDirectory, repair: true);

    private static List<LogDamage> Run(string dataDirectory, bool repair)
    {
        using var folder = BrokerFolder.Own(dataDirectory);
        var files = repair ? new BrokerFiles() : null;
        return
        [
            .. folder.TopicFolders().SelectMany(topic => LogRepair.Run(topic, files)),
            .. folder.AckPaths().SelectMany(acks => AckRepair.Run(acks, mayBeNew: true, files)),
            .. folder.SnapshotPaths().SelectMany(acks => AckRepair.Run(acks, mayBeNew: false, files)),
        ];
    }
}
