using System.Diagnostics;
using Google.Cloud.PubSub.V1;
using Xunit.Abstractions;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>How long starts and requests take. Nothing else runs beside them.</summary>
[Collection(nameof(TimingTests))]
[CollectionDefinition(nameof(TimingTests), DisableParallelization = true)]
public sealed class TimingTests(ITestOutputHelper output) : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_broker_in_memory_starts_in_less_than_300_ms()
    {
        // The first start of a process loads and compiles the server. Of the others the best counts: the machine has other work.
        await using (await StartInMemoryAsync())
        {
        }

        var best = TimeSpan.MaxValue;
        for (var i = 0; i < 5; i++)
        {
            var clock = Stopwatch.StartNew();
            await using var client = await StartInMemoryAsync();
            best = clock.Elapsed < best ? clock.Elapsed : best;
        }

        output.WriteLine($"A broker in memory starts in {best.TotalMilliseconds:0} ms");
        best.ShouldBeLessThan(TimeSpan.FromMilliseconds(300));
    }

    [Fact]
    public async Task A_topic_with_its_subscription_costs_the_same_however_many_exist()
    {
        const int Many = 600;
        await using var client = await BrokerClient.StartAsync(_folder.Path);
        await CreateAsync(client, 0, 50);
        var first = await CreateAsync(client, 50, 100);
        await CreateAsync(client, 100, Many - 50);
        var last = await CreateAsync(client, Many - 50, Many);

        // Well below one sync of the disk per request; the machine of the test may be busy.
        last.TotalMilliseconds.ShouldBeLessThan(10 * Math.Max(1, first.TotalMilliseconds));
        (await client.Publisher.ListTopicsAsync(new ListTopicsRequest { Project = "projects/p", PageSize = 1_000 })).Topics.Count.ShouldBe(Many);
    }

    private static Task<BrokerClient> StartInMemoryAsync() => BrokerClient.StartAsync("", o => o with { InMemory = true });

    private static async Task<TimeSpan> CreateAsync(BrokerClient client, int from, int to)
    {
        var clock = Stopwatch.StartNew();
        for (var i = from; i < to; i++)
        {
            await client.Publisher.CreateTopicAsync(new Topic { Name = $"projects/p/topics/topic-{i}" });
            await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = $"projects/p/subscriptions/sub-{i}", Topic = $"projects/p/topics/topic-{i}" });
        }

        return clock.Elapsed / (to - from);
    }
}
