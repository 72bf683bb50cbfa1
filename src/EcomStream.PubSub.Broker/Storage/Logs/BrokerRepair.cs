using EcomStream.PubSub.Broker.Storage;

namespace EcomStream.PubSub.Broker;

/// <summary>
/// Finds damaged messages in the folder of a broker that is not running, and makes the log readable around them: a damaged
/// message is replaced by an empty record, which every subscription skips. The damaged files are kept beside the new ones.
/// </summary>
public static class BrokerRepair
{
    /// <summary>Reports the damage and changes nothing.</summary>
    /// <param name="dataDirectory">The broker's folder.</param>
    /// <returns>One entry per damaged place; empty when every message can be read.</returns>
    /// <exception cref="BrokerStartException">The folder is in use, or a file in it is not the broker's.</exception>
    public static IReadOnlyList<LogDamage> Check(string dataDirectory) => Run(dataDirectory, repair: false);

    /// <summary>Repairs the damage. Messages that cannot be read are lost; all others keep their ids and their acks.</summary>
    /// <param name="dataDirectory">The broker's folder.</param>
    /// <returns>What was repaired; empty when every message can be read.</returns>
    /// <exception cref="BrokerStartException">The folder is in use, or a file in it is not the broker's.</exception>
    public static IReadOnlyList<LogDamage> Repair(string dataDirectory) => Run(dataDirectory, repair: true);

    private static List<LogDamage> Run(string dataDirectory, bool repair)
    {
        using var folder = BrokerFolder.Own(dataDirectory);
        return [.. folder.TopicFolders().SelectMany(topic => LogRepair.Run(topic, repair ? new BrokerFiles() : null))];
    }
}
