using System.Diagnostics;
using Akka.Configuration;
using EcomStream.Core;
using EcomStream.PubSub;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Net.Client;

namespace EcomStream.Benchmarks;

/// <summary>
/// What a filter and message ordering cost: the same messages of about 200 bytes, with an attribute and an ordering key, are
/// drained with acks through StreamingPull from a subscription without either, from one with a filter that all of them match,
/// and from one with message ordering. The broker is a process of its own.
/// </summary>
internal static class BrokerDeliveryScenario
{
    private const int BatchSize = 10;
    private const int Keys = 2_000;
    private const int Publishers = 8;

    private static readonly (string Name, Action<Subscription> Configure)[] _kinds =
    [
        ("plain", _ => { }),
        ("filter", subscription => subscription.Filter = "attributes.kind = \"order\""),
        ("ordering", subscription => subscription.EnableMessageOrdering = true),
    ];

    /// <summary>Drains the messages from each subscription in turn.</summary>
    /// <param name="runs">How often; the first run more does not count.</param>
    /// <param name="messages">Messages of each run.</param>
    public static async Task RunAsync(int runs, int messages)
    {
        using var folder = new BrokerProcess.Folder();
        using var broker = BrokerProcess.Start(folder.Path);
        var endpoint = await broker.EndpointAsync();
        var ratios = _kinds.ToDictionary(kind => kind.Name, _ => new List<(double Rate, double Cpu)>());
        for (var run = 0; run <= runs; run++)
        {
            var project = $"bench-{Guid.NewGuid():n}";
            using var channel = GrpcChannel.ForAddress($"http://{endpoint}");
            await SetUpAsync(channel, project, messages);
            var results = new Dictionary<string, (double Rate, double Cpu)>();
            foreach (var (name, _) in _kinds)
            {
                var before = broker.Cpu;
                var rate = await DrainAsync(endpoint, project, name, messages);
                results[name] = (rate, (broker.Cpu - before).TotalMicroseconds / messages);
            }

            Console.WriteLine($"  {string.Join(", ", results.Select(result => $"{result.Key} {result.Value.Rate:N0} messages/s at {result.Value.Cpu:0.00} us of the broker's CPU"))}{(run == 0 ? "   (that was the warm-up)" : "")}");
            foreach (var (name, result) in results.Where(_ => run > 0))
            {
                ratios[name].Add((result.Rate / results["plain"].Rate, result.Cpu));
            }

            await DeleteAsync(channel, project);
        }

        foreach (var (name, ratio) in ratios)
        {
            Console.WriteLine($"median of {runs} runs on {Environment.ProcessorCount} cores, {name}: {Median(ratio.Select(r => r.Rate)):0.00} times the rate of plain, {Median(ratio.Select(r => r.Cpu)):0.00} us of the broker's CPU a message");
        }
    }

    private static async Task SetUpAsync(GrpcChannel channel, string project, int messages)
    {
        var publisher = new Publisher.PublisherClient(channel);
        var topic = $"projects/{project}/topics/orders";
        await publisher.CreateTopicAsync(new Topic { Name = topic });
        foreach (var (name, configure) in _kinds)
        {
            var subscription = new Subscription { Name = $"projects/{project}/subscriptions/{name}", Topic = topic, AckDeadlineSeconds = 60 };
            configure(subscription);
            await new Subscriber.SubscriberClient(channel).CreateSubscriptionAsync(subscription);
        }

        var data = ByteString.CopyFrom(new byte[200]);
        var next = 0;
        await Task.WhenAll(Enumerable.Range(0, Publishers).Select(_ => Task.Run(async () =>
        {
            while (Interlocked.Increment(ref next) is var batch && batch <= messages / BatchSize)
            {
                var request = new PublishRequest { Topic = topic };
                request.Messages.Add(Enumerable.Range(0, BatchSize).Select(_ => new PubsubMessage
                {
                    Data = data, OrderingKey = $"key {batch % Keys}", Attributes = { ["kind"] = "order" },
                }));
                await publisher.PublishAsync(request);
            }
        })));
    }

    private static async Task<double> DrainAsync(string endpoint, string project, string name, int messages)
    {
        var settings = PubSubSettings.Read(
            ConfigurationFactory.ParseString($"ecomstream.pubsub.project-id = {project}").WithFallback(PubSubSettings.Reference), endpoint);
        using var connection = PubSubConnection.Create(settings);
        await using var subscription = new PubSubSubscription(connection, name);
        using var stop = new CancellationTokenSource();
        var clock = Stopwatch.StartNew();
        var seen = 0;
        await foreach (var batch in subscription.ReceiveAsync(stop.Token))
        {
            foreach (var delivery in batch)
            {
                delivery.Ack();
            }

            seen += batch.Count;
            if (seen >= messages)
            {
                break;
            }
        }

        await subscription.FlushAsync(CancellationToken.None);
        return messages / clock.Elapsed.TotalSeconds;
    }

    private static double Median(IEnumerable<double> values) => values.Order().ElementAt(values.Count() / 2);

    private static async Task DeleteAsync(GrpcChannel channel, string project)
    {
        foreach (var (name, _) in _kinds)
        {
            await new Subscriber.SubscriberClient(channel).DeleteSubscriptionAsync(new DeleteSubscriptionRequest { Subscription = $"projects/{project}/subscriptions/{name}" });
        }

        await new Publisher.PublisherClient(channel).DeleteTopicAsync(new DeleteTopicRequest { Topic = $"projects/{project}/topics/orders" });
    }
}
