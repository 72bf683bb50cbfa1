using EcomStream.PubSub.Broker.Faults;
using EcomStream.PubSub.Broker.Publishing;
using EcomStream.PubSub.Broker.State;
using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Testing;

/// <summary>What tests do to a broker, from C# and over the admin API.</summary>
/// <param name="state">What the broker holds.</param>
/// <param name="durability">When what was written is durable.</param>
/// <param name="faults">The faults that calls meet.</param>
/// <param name="seedFile">What exists after a reset; null for nothing.</param>
/// <param name="clock">The clock; null for one that is not moved, because files outlive it.</param>
internal sealed class TestControls(BrokerState state, Durability durability, FaultInjection faults, string? seedFile, MovableTime? clock)
{
    /// <summary>Runs what is due when the clock was moved.</summary>
    public BrokerUpkeep? Upkeep { get; set; }

    /// <summary>The time of the broker.</summary>
    public DateTimeOffset Now => state.Time.GetUtcNow();

    /// <summary>Deletes everything, and creates what the seed file names.</summary>
    public void Reset()
    {
        faults.Clear();
        state.DeleteAll();
        SeedResources.Apply(seedFile, state);
    }

    /// <summary>Moves the clock forward. What is due by it has happened when this returns.</summary>
    /// <exception cref="InvalidOperationException">The broker has files.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The time is negative, or longer than 100 years in all.</exception>
    public void Advance(TimeSpan time)
    {
        Movable().Advance(time);
        Upkeep?.RunNow();
    }

    /// <summary>Publishes a message with its publish time, if it has one. It is as durable as the policy promises when this returns.</summary>
    /// <returns>Its id.</returns>
    /// <exception cref="IOException">The disk is full or broken.</exception>
    /// <exception cref="RpcException">The message cannot be published.</exception>
    /// <exception cref="InvalidOperationException">It has a publish time, and the broker has files.</exception>
    /// <exception cref="ArgumentOutOfRangeException">Its publish time is not later than the last one of the topic.</exception>
    public long Publish(string topicName, PubsubMessage message)
    {
        long? time = null;
        if (message.PublishTime is { } publishTime)
        {
            Movable();
            time = TopicLog.Micros(publishTime.ToDateTimeOffset());
        }

        var topic = state.Topic(topicName);
        PublishRules.Check(new PublishRequest { Topic = topicName, Messages = { message } });
        using var messages = RawMessages.Of(topic.Settings.Schema is { } schema ? SchemaConformance.Checked(state, schema, [message]) : [message]);
        var id = PublishService.Append(topic, messages, durability, time);
        durability.SyncIfAlways();
        return id;
    }

    private MovableTime Movable() =>
        clock ?? throw new InvalidOperationException("Only a broker in memory has a clock that can be moved and accepts publish times: set InMemory.");
}
