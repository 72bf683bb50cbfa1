namespace EcomStream.PubSub.Tests;

/// <summary>What the client promises with any Pub/Sub server. One class runs all tests, one after the other.</summary>
public abstract class PubSubContract : BasicContract
{
    [SkippableFact]
    public Task Nothing_is_delivered_again_while_50_000_messages_are_not_settled_for_several_ack_deadlines_and_memory_stays() => HoldManyMessagesAsync();

    [SkippableFact]
    public Task Everything_arrives_over_a_connection_that_is_cut_stalled_refused_and_delayed_again_and_again() => ReadOverABadConnectionAsync();
}

/// <summary>The one test of <see cref="PubSubContract"/> that measures the memory of the process, in a class of its own.</summary>
public abstract class HoldingContract : PubSubServerTests
{
    [SkippableFact]
    public Task Nothing_is_delivered_again_while_50_000_messages_are_not_settled_for_several_ack_deadlines_and_memory_stays() => HoldManyMessagesAsync();
}

/// <summary>The test of <see cref="PubSubContract"/> with a bad connection, in a class of its own.</summary>
public abstract class BadConnectionContract : PubSubServerTests
{
    [SkippableFact]
    public Task Everything_arrives_over_a_connection_that_is_cut_stalled_refused_and_delayed_again_and_again() => ReadOverABadConnectionAsync();
}
