using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using EcomStream.TestSupport;
using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker.Tests;

public sealed class DurabilityTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(FsyncPolicy.Always)]
    [InlineData(FsyncPolicy.Interval)]
    [InlineData(FsyncPolicy.Never)]
    public async Task Messages_and_acks_survive_a_crash_of_the_process(FsyncPolicy fsync)
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path, o => o with { Fsync = fsync });
        await client.PublishManyAsync(2_000);
        var pulled = await client.PullAsync(900);
        await client.AckAsync(pulled.Where((_, i) => i % 3 != 0));

        using var crashed = _folder.Snapshot();
        await using var after = await BrokerClient.StartAsync(crashed.Path);
        after.Stats.Backlog.ShouldBe(2_000 - 600);
        var seen = new List<string>();
        while (await after.PullAsync() is { Count: > 0 } more)
        {
            seen.AddRange(more.Select(BrokerClient.Text));
            await after.AckAsync(more);
        }

        seen.Order().ShouldBe(
            Enumerable.Range(0, 2_000).Where(i => i >= 900 || i % 3 == 0).Select(i => $"message {i}").Order());
    }

    [Fact]
    public async Task A_crash_at_any_byte_of_the_last_write_loses_only_what_was_not_answered()
    {
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            await client.PublishAsync("one", "two", "three");
        }

        var log = Directory.GetFiles(_folder.Path, "*.log", SearchOption.AllDirectories).Single();
        var whole = await File.ReadAllBytesAsync(log);
        for (var length = whole.Length - 1; length >= 0; length -= 7)
        {
            await File.WriteAllBytesAsync(log, whole[..length]);
            await using var client = await BrokerClient.StartAsync(_folder.Path);
            var left = (await client.PullAsync()).Select(BrokerClient.Text).ToList();
            left.ShouldBe(new[] { "one", "two", "three" }.Take(left.Count));
            left.Count.ShouldBeLessThan(3);
            await client.PublishAsync("next");
            (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["next"]);
        }
    }

    [Fact]
    public async Task A_flipped_bit_is_found_by_the_checksum_and_what_stands_before_it_is_kept()
    {
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            await client.PublishAsync("one", "two", "three");
        }

        var log = Directory.GetFiles(_folder.Path, "*.log", SearchOption.AllDirectories).Single();
        var bytes = await File.ReadAllBytesAsync(log);
        bytes[^5] ^= 0x10;
        await File.WriteAllBytesAsync(log, bytes);
        await using var again = await BrokerClient.StartAsync(_folder.Path);
        (await again.PullAsync()).Select(BrokerClient.Text).ShouldBe(["one", "two"]);
    }

    [Fact]
    public async Task Damage_in_the_middle_of_the_log_is_an_error_that_names_the_file()
    {
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path, o => o with { SegmentBytes = 10_000 }))
        {
            await client.PublishManyAsync(2_000);
        }

        var first = Directory.GetFiles(_folder.Path, "*.log", SearchOption.AllDirectories).Order(StringComparer.Ordinal).First();
        var bytes = await File.ReadAllBytesAsync(first);
        bytes[bytes.Length / 2] ^= 0xff;
        await File.WriteAllBytesAsync(first, bytes);
        File.Delete(Path.ChangeExtension(first, ".index"));
        var error = await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(_folder.Path));
        error.Message.ShouldContain(first);
    }

    [Fact]
    public async Task Segments_that_every_subscription_has_acked_are_deleted()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path, o => o with { SegmentBytes = 10_000 });
        await client.PublishManyAsync(5_000);
        var before = Directory.GetFiles(_folder.Path, "*.log", SearchOption.AllDirectories).Length;
        before.ShouldBeGreaterThan(5);
        while (await client.PullAsync(50) is { Count: > 0 } messages)
        {
            await client.AckAsync(messages);
        }

        await Eventually.True(
            () => Directory.GetFiles(_folder.Path, "*.log", SearchOption.AllDirectories).Length == 1, "all but the last segment are deleted");
        await client.PublishAsync("last");
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["last"]);
    }

    [Fact]
    public async Task Ids_and_publish_times_go_on_where_they_were_after_a_restart()
    {
        string last;
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            last = (await client.PublishAsync("a", "b"))[1];
        }

        await using var again = await BrokerClient.StartAsync(_folder.Path);
        long.Parse((await again.PublishAsync("c"))[0]).ShouldBe(long.Parse(last) + 1);
        (await again.PullAsync()).Select(m => m.Message.PublishTime.ToDateTimeOffset()).ShouldBeInOrder(SortDirection.Ascending);
    }

    [Fact]
    public async Task The_acks_stay_small_on_disk_however_many_there_are()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        for (var round = 0; round < 40; round++)
        {
            await client.PublishManyAsync(1_000);
            var messages = await client.PullAsync();

            // In two halves, odd and even, so that every frame is full of gaps.
            await client.AckAsync(messages.Where((_, i) => i % 2 == 0));
            await client.AckAsync(messages.Where((_, i) => i % 2 == 1));
        }

        client.Stats.Backlog.ShouldBe(0);
        var acks = Directory.GetFiles(_folder.Path, "*.acks", SearchOption.AllDirectories).Single();
        new FileInfo(acks).Length.ShouldBeLessThan(1_200_000);
    }

    [Fact]
    public async Task Failed_deliveries_do_not_let_the_acks_grow_on_disk()
    {
        await using var client = await BrokerClient.StartAsync(_folder.Path);
        await client.Publisher.CreateTopicAsync(new Topic { Name = BrokerClient.Topic });
        await client.Subscriber.CreateSubscriptionAsync(new Subscription
        {
            Name = BrokerClient.Subscription, Topic = BrokerClient.Topic, AckDeadlineSeconds = 10, RetryPolicy = new RetryPolicy { MinimumBackoff = new(), MaximumBackoff = new() },
        });
        await client.PublishManyAsync(1_000);
        for (var round = 0; round < 100; round++)
        {
            await client.ModifyAsync(await client.PullAsync(), 0);
        }

        Directory.GetFiles(_folder.Path, "*.acks", SearchOption.AllDirectories).Sum(file => new FileInfo(file).Length).ShouldBeLessThan(1_200_000);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task An_ack_before_its_turn_that_was_confirmed_survives_a_crash(bool compacted)
    {
        await using var client = await StartOrderedAsync();
        var pulled = await client.PullAsync();
        await client.AckAsync(pulled.Skip(1));
        using var crashed = _folder.Snapshot();
        if (compacted)
        {
            await using var between = await BrokerClient.StartAsync(crashed.Path);
            await between.Subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Name = "projects/p/snapshots/snap", Subscription = BrokerClient.Subscription });
        }

        await using var after = await BrokerClient.StartAsync(crashed.Path);
        await after.AckAsync(pulled.Take(1));
        (await after.PullAsync()).ShouldBeEmpty();
        after.Stats.Backlog.ShouldBe(0);
    }

    [Fact]
    public async Task An_ack_before_its_turn_does_not_count_once_the_message_is_delivered_again_also_after_a_crash()
    {
        await using var client = await StartOrderedAsync();
        var pulled = await client.PullAsync();
        await client.AckAsync(pulled.Skip(1));
        await client.ModifyAsync(pulled.Take(1), 0);
        var again = await client.PullAsync();
        again.Select(BrokerClient.Text).ShouldBe(["1", "2", "3"]);
        await client.AckAsync(again.Take(1));

        using var crashed = _folder.Snapshot();
        await using var after = await BrokerClient.StartAsync(crashed.Path);
        (await after.PullAsync()).Select(BrokerClient.Text).ShouldBe(["2", "3"]);
    }

    [Fact]
    public async Task A_message_that_a_test_publishes_is_synced_before_it_has_its_id()
    {
        var synced = new ConcurrentDictionary<string, long>();
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path, o => o with
        {
            Fsync = FsyncPolicy.Always, Files = new BrokerFiles(afterSync: (path, length) => synced[path] = length), AdminApi = true,
        });
        using var rest = new RestClient(client.Broker.Endpoint);
        for (var message = 0; message < 10; message++)
        {
            client.Broker.Publish(BrokerClient.Topic, new BrokerMessage { Data = new byte[100] });
            ShouldBeSynced();
            await rest.CallAsync("POST", "/admin/v1/publish", $$"""{"topic":"{{BrokerClient.Topic}}","messages":[{"data":"aGk="}]}""");
            ShouldBeSynced();
        }

        void ShouldBeSynced()
        {
            var log = Directory.GetFiles(_folder.Path, "*.log", SearchOption.AllDirectories).ShouldHaveSingleItem();
            synced.GetValueOrDefault(log).ShouldBe(new FileInfo(log).Length);
        }
    }

    [Fact]
    public async Task A_port_that_is_taken_is_an_error_that_names_it()
    {
        using var other = new TcpListener(IPAddress.Loopback, 0);
        other.Start();
        var port = ((IPEndPoint)other.LocalEndpoint).Port;
        var error = await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(_folder.Path, o => o with { Port = port }));
        error.Message.ShouldContain($"{port}");
    }

    [Fact]
    public async Task A_folder_in_use_is_an_error_that_names_it()
    {
        await using var first = await BrokerClient.StartAsync(_folder.Path);
        var error = await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(_folder.Path));
        error.Message.ShouldContain(_folder.Path);
    }

    [Fact]
    public async Task A_stream_is_woken_by_a_publish()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        using var stream = await client.StreamAsync();
        await stream.ResponseHeadersAsync;
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        var next = stream.ResponseStream.MoveNext(deadline.Token);
        await client.PublishAsync("wake");
        (await next).ShouldBeTrue();
        BrokerClient.Text(stream.ResponseStream.Current.ReceivedMessages.Single()).ShouldBe("wake");
    }

    private async Task<BrokerClient> StartOrderedAsync()
    {
        var client = await BrokerClient.StartAsync(_folder.Path);
        await client.Publisher.CreateTopicAsync(new Topic { Name = BrokerClient.Topic });
        await client.Subscriber.CreateSubscriptionAsync(new Subscription
        {
            Name = BrokerClient.Subscription, Topic = BrokerClient.Topic, AckDeadlineSeconds = 10, EnableMessageOrdering = true,
        });
        await client.Publisher.PublishAsync(new PublishRequest
        {
            Topic = BrokerClient.Topic,
            Messages = { "123".Select(c => new PubsubMessage { OrderingKey = "k", Data = Google.Protobuf.ByteString.CopyFromUtf8($"{c}") }) },
        });
        return client;
    }
}
