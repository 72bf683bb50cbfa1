using Grpc.Core;

namespace EcomStream.PubSub.Broker.State;

/// <summary>The reset of a broker between tests.</summary>
internal sealed partial class BrokerState
{
    /// <summary>Deletes all snapshots, subscriptions, topics and schemas.</summary>
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

        foreach (var schema in Schemas.ToList())
        {
            DeleteIfThere(schema.Entry.Name, DeleteSchema);
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
