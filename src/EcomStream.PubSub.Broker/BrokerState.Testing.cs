using EcomStream.PubSub.Broker.Testing;
using Grpc.Core;

namespace EcomStream.PubSub.Broker;

/// <summary>What tests begin with.</summary>
internal sealed partial class BrokerState
{
    /// <summary>Creates what the seed file names and is missing.</summary>
    /// <exception cref="BrokerStartException">The file cannot be used.</exception>
    public void Seed()
    {
        if (_options.SeedFile is { } path)
        {
            SeedFile.Apply(path, this);
        }
    }

    /// <summary>Deletes all snapshots, subscriptions and topics.</summary>
    public void DeleteAll()
    {
        foreach (var snapshot in Snapshots.ToList())
        {
            DeleteIfThere(snapshot.Name, DeleteSnapshot);
        }

        foreach (var subscription in Subscriptions.ToList())
        {
            DeleteIfThere(subscription.Name, DeleteSubscription);
        }

        foreach (var topic in Topics.ToList())
        {
            DeleteIfThere(topic.Name, DeleteTopic);
        }
    }

    private static void DeleteIfThere(string name, Action<string> delete)
    {
        try
        {
            delete(name);
        }
        catch (RpcException gone) when (gone.StatusCode == StatusCode.NotFound)
        {
            // Somebody else has deleted it meanwhile.
        }
    }
}
