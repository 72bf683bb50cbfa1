using System.Diagnostics;
using Google.Cloud.PubSub.V1;
using Grpc.Net.Client;

namespace EcomStream.Benchmarks;

/// <summary>
/// Creating and deleting topics, each with a subscription, one after the other, as the set-up of a test suite does. The broker
/// is a process of its own, with fsync = interval.
/// </summary>
internal static class BrokerTopicsScenario
{
    private const int Part = 500;

    /// <param name="topics">How many.</param>
    /// <param name="otherEndpoint">host:port of another server to measure; null for the broker.</param>
    public static async Task RunAsync(int topics, string? otherEndpoint)
    {
        if (otherEndpoint is not null)
        {
            await MeasureAsync(otherEndpoint, topics);
            return;
        }

        using var folder = new BrokerProcess.Folder();
        using var broker = BrokerProcess.Start(folder.Path);
        await MeasureAsync(await broker.EndpointAsync(), topics);
    }

    private static async Task MeasureAsync(string endpoint, int topics)
    {
        using var channel = GrpcChannel.ForAddress($"http://{endpoint}");
        var publisher = new Publisher.PublisherClient(channel);
        var subscriber = new Subscriber.SubscriberClient(channel);
        var project = $"projects/bench-{Guid.NewGuid():n}";

        // The first ones compile both sides.
        await MeasureAsync("warm-up, created", -100, 0, CreateAsync);
        await MeasureAsync("warm-up, deleted", -100, 0, DeleteAsync);
        for (var first = 0; first < topics; first += Part)
        {
            await MeasureAsync("created", first, Math.Min(first + Part, topics), CreateAsync);
        }

        for (var first = 0; first < topics; first += Part)
        {
            await MeasureAsync("deleted", first, Math.Min(first + Part, topics), DeleteAsync);
        }

        async Task CreateAsync(int number)
        {
            await publisher.CreateTopicAsync(new Topic { Name = $"{project}/topics/topic{number}" });
            await subscriber.CreateSubscriptionAsync(new Subscription { Name = $"{project}/subscriptions/subscription{number}", Topic = $"{project}/topics/topic{number}" });
        }

        async Task DeleteAsync(int number)
        {
            await publisher.DeleteTopicAsync(new DeleteTopicRequest { Topic = $"{project}/topics/topic{number}" });
            await subscriber.DeleteSubscriptionAsync(new DeleteSubscriptionRequest { Subscription = $"{project}/subscriptions/subscription{number}" });
        }
    }

    private static async Task MeasureAsync(string what, int first, int end, Func<int, Task> work)
    {
        var clock = Stopwatch.StartNew();
        for (var number = first; number < end; number++)
        {
            await work(number);
        }

        Console.WriteLine($"  {what} {Math.Abs(end - first),5} topics, each with a subscription, after {Math.Max(first, 0),5}: {clock.Elapsed.TotalMilliseconds / (end - first):0.00} ms each");
    }
}
