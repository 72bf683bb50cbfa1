using System.Buffers.Binary;
using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>What a power cut, a bad disk or a careless hand leaves behind: files that no longer fit each other.</summary>
public sealed class RecoveryTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Damage_before_intact_messages_of_the_last_file_is_an_error_and_cuts_nothing_off()
    {
        await PublishAndCloseAsync(100);
        var log = Files("*.log").Single();
        var bytes = await File.ReadAllBytesAsync(log);
        bytes[bytes.Length / 2] ^= 0x10;
        await File.WriteAllBytesAsync(log, bytes);

        var error = await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(_folder.Path));

        error.Message.ShouldContain(log);
        error.Message.ShouldMatch("byte [0-9]+");
        (await File.ReadAllBytesAsync(log)).ShouldBe(bytes);
    }

    [Fact]
    public async Task A_damaged_length_before_intact_messages_is_an_error_too()
    {
        await PublishAndCloseAsync(100);
        var log = Files("*.log").Single();
        var bytes = await File.ReadAllBytesAsync(log);
        BinaryPrimitives.WriteInt32LittleEndian(bytes, int.MaxValue);
        await File.WriteAllBytesAsync(log, bytes);

        (await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(_folder.Path))).Message.ShouldContain("byte 0");
    }

    [Fact]
    public async Task Zeros_at_the_end_of_the_log_are_an_unfinished_write()
    {
        await using (var before = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            await before.PublishManyAsync(100);
            await before.AckAsync((await before.PullAsync()).Take(1));
        }

        await AppendAsync(Files("*.log").Single(), new byte[5_000]);
        await AppendAsync(Files("*.acks").Single(), new byte[5_000]);

        await using var client = await BrokerClient.StartAsync(_folder.Path);
        client.Stats.Backlog.ShouldBe(99);
        await client.PublishAsync("next");
        (await client.PullAsync()).Count.ShouldBe(100);
    }

    [Fact]
    public async Task A_file_that_is_missing_from_the_middle_of_the_log_is_an_error_that_names_its_place()
    {
        await PublishAndCloseAsync(2_000, segmentBytes: 10_000);
        var files = Files("*.log");
        File.Delete(files[2]);

        (await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(_folder.Path))).Message.ShouldContain(files[3]);
    }

    [Fact]
    public async Task A_missing_or_truncated_file_of_the_list_of_topics_is_an_error_that_names_it()
    {
        await using (await BrokerClient.StartReadyAsync(_folder.Path))
        {
            // At a clean stop the changes are folded into broker.json.
        }

        await using var client = await BrokerClient.StartAsync(_folder.Path, o => o with { Fsync = FsyncPolicy.Always });
        await client.Publisher.CreateTopicAsync(new Topic { Name = "projects/p/topics/later" });
        using var copy = _folder.Snapshot();
        var journal = Path.Combine(copy.Path, "changes.broker.json");
        var metadata = Path.Combine(copy.Path, "broker.json");
        File.Move(metadata, metadata + ".away");
        (await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(copy.Path))).Message.ShouldContain(metadata);
        File.Move(metadata + ".away", metadata);
        await File.WriteAllBytesAsync(journal, []);
        (await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(copy.Path))).Message.ShouldContain(journal);
        File.Delete(journal);
        (await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(copy.Path))).Message.ShouldContain(journal);

        // As the message says.
        File.Delete(journal + ".synced");
        await using var after = await BrokerClient.StartAsync(copy.Path);
        (await after.Publisher.ListTopicsAsync(new ListTopicsRequest { Project = "projects/p" })).Topics.ShouldHaveSingleItem().Name.ShouldBe(BrokerClient.Topic);
    }

    [Fact]
    public async Task Acks_of_messages_that_the_log_lost_do_not_ack_the_messages_that_come_in_their_place()
    {
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            await client.PublishManyAsync(100);
            await client.AckAsync(await client.PullAsync());
        }

        await using (var log = File.OpenWrite(Files("*.log").Single()))
        {
            log.SetLength(log.Length / 2);
        }

        await using var after = await BrokerClient.StartAsync(_folder.Path);
        after.Stats.Backlog.ShouldBe(0);
        await after.PublishManyAsync(70);
        after.Stats.Backlog.ShouldBe(70);
        (await after.PullAsync()).Count.ShouldBe(70);
    }

    [Fact]
    public async Task An_ack_of_a_message_that_a_power_cut_took_does_not_ack_the_message_that_comes_in_its_place()
    {
        IReadOnlyList<ReceivedMessage> taken;
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            await client.PublishAsync("taken");
            taken = await client.PullAsync();
        }

        File.WriteAllBytes(Directory.GetFiles(_folder.Path, "*.log", SearchOption.AllDirectories).Single(), []);
        await using var after = await BrokerClient.StartAsync(_folder.Path);
        await after.PublishAsync("in its place");
        await after.AckAsync(taken);
        (await after.PullAsync()).Select(BrokerClient.Text).ShouldBe(["in its place"]);
    }

    [Fact]
    public async Task An_ack_of_a_deleted_subscription_does_not_ack_for_another_of_its_name()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await client.PublishAsync("old");
        var old = await client.PullAsync();
        await client.Subscriber.DeleteSubscriptionAsync(new DeleteSubscriptionRequest { Subscription = BrokerClient.Subscription });
        await client.Publisher.DeleteTopicAsync(new DeleteTopicRequest { Topic = BrokerClient.Topic });
        await client.Publisher.CreateTopicAsync(new Topic { Name = BrokerClient.Topic });
        await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = BrokerClient.Subscription, Topic = BrokerClient.Topic });
        await client.PublishAsync("new");
        await client.AckAsync(old);
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["new"]);
    }

    [Fact]
    public async Task A_snapshot_of_messages_that_a_power_cut_took_does_not_ack_those_that_come_in_their_place()
    {
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            await client.PublishManyAsync(10);
            await client.AckAsync(await client.PullAsync());
            await client.Subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Name = "projects/p/snapshots/snap", Subscription = BrokerClient.Subscription });
        }

        File.WriteAllBytes(Directory.GetFiles(_folder.Path, "*.log", SearchOption.AllDirectories).Single(), []);
        await using var after = await BrokerClient.StartAsync(_folder.Path);
        await after.PublishAsync("in its place");
        await after.Subscriber.SeekAsync(new SeekRequest { Subscription = BrokerClient.Subscription, Snapshot = "projects/p/snapshots/snap" });
        (await after.PullAsync()).Select(BrokerClient.Text).ShouldBe(["in its place"]);
    }

    [Fact]
    public async Task A_topic_whose_messages_are_missing_is_an_error_that_names_it()
    {
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            await client.PublishAsync("gone");
        }

        Directory.Delete(Path.Combine(_folder.Path, "topics", "1"), recursive: true);
        (await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(_folder.Path))).Message.ShouldContain(BrokerClient.Topic);
    }

    [Fact]
    public async Task A_topic_whose_only_log_file_is_missing_is_an_error_that_names_it()
    {
        await PublishAndCloseAsync(1);
        File.Delete(Files("*.log").Single());
        (await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(_folder.Path))).Message.ShouldContain(BrokerClient.Topic);
    }

    [Fact]
    public async Task Missing_acks_that_were_synced_are_an_error_that_names_the_file()
    {
        var acks = await AckAndCloseAsync();
        File.Delete(acks);
        (await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(_folder.Path))).Message.ShouldContain(acks);
    }

    [Fact]
    public async Task Acks_that_a_power_cut_took_before_their_first_sync_are_not_an_error()
    {
        // The marker is written after the first sync.
        var acks = await AckAndCloseAsync();
        File.Delete(acks);
        File.Delete(acks + ".synced");

        await using var client = await BrokerClient.StartAsync(_folder.Path);
        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["acked"]);
    }

    [Fact]
    public async Task A_sync_marker_that_a_power_cut_took_is_not_an_error()
    {
        var acks = await AckAndCloseAsync();
        File.Delete(acks + ".synced");

        await using var client = await BrokerClient.StartAsync(_folder.Path);
        client.Stats.Backlog.ShouldBe(0);
    }

    [Fact]
    public async Task The_marker_of_acks_is_written_after_their_file_and_its_folder_are_synced()
    {
        var path = Path.Combine(_folder.Path, "1.acks");
        var store = new RecordingStore();
        using var acks = AckLog.New(path, new AckState(0), new BrokerFiles(store: store));
        acks.Ack([0]);
        File.Exists(path + ".synced").ShouldBeFalse();
        store.Steps.Clear();

        acks.Sync(new Lock());

        store.Steps.ShouldBe([$"folder {_folder.Path}", $"file {path}", $"open {path}.synced"]);
    }

    [Fact]
    public async Task A_topic_without_messages_and_a_subscription_without_acks_have_no_files_and_are_there_after_a_restart()
    {
        await using (await BrokerClient.StartReadyAsync(_folder.Path))
        {
            Files("*.log").ShouldBeEmpty();
            Files("*.acks").ShouldBeEmpty();
        }

        await using var client = await BrokerClient.StartAsync(_folder.Path);
        await client.PublishAsync("first");
        await client.AckAsync(await client.PullAsync());
        client.Stats.Backlog.ShouldBe(0);
        Files("*.log").ShouldHaveSingleItem();
        Files("*.acks").ShouldHaveSingleItem();
    }

    [Fact]
    public async Task A_subscription_whose_last_acks_were_lost_goes_on_where_the_log_begins()
    {
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path, o => o with { SegmentBytes = 10_000 }))
        {
            await client.PublishManyAsync(5_000);
            while (await client.PullAsync(50) is { Count: > 0 } messages)
            {
                await client.AckAsync(messages);
            }

            await client.DisposeAsync();
            File.Delete(Files("*.acks").Single());
            File.Delete(Files("*.acks.synced").Single());
        }

        await using var after = await BrokerClient.StartAsync(_folder.Path);
        await after.PublishAsync("last");
        var last = "";
        while (await after.PullAsync() is { Count: > 0 } messages)
        {
            last = BrokerClient.Text(messages[^1]);
            await after.AckAsync(messages);
        }

        last.ShouldBe("last");
        after.Stats.Backlog.ShouldBe(0);
    }

    [Fact]
    public async Task Damage_in_the_middle_of_the_acks_is_an_error_that_names_the_file()
    {
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            await client.PublishManyAsync(100);
            var messages = await client.PullAsync();
            foreach (var chunk in messages.Chunk(10))
            {
                await client.AckAsync(chunk);
            }
        }

        var acks = Files("*.acks").Single();
        var bytes = await File.ReadAllBytesAsync(acks);
        bytes[bytes.Length / 2] ^= 0x10;
        await File.WriteAllBytesAsync(acks, bytes);

        (await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(_folder.Path))).Message.ShouldContain(acks);
    }

    [Fact]
    public async Task Damage_that_is_found_while_reading_is_DATA_LOSS_and_names_the_file()
    {
        await PublishAndCloseAsync(2_000, segmentBytes: 10_000);
        var first = Files("*.log")[0];
        var bytes = await File.ReadAllBytesAsync(first);
        bytes[bytes.Length / 2] ^= 0x10;
        await File.WriteAllBytesAsync(first, bytes);

        await using var client = await BrokerClient.StartAsync(_folder.Path);
        var error = await Should.ThrowAsync<Grpc.Core.RpcException>(() => client.PullAsync());
        error.StatusCode.ShouldBe(Grpc.Core.StatusCode.DataLoss);
        error.Status.Detail.ShouldContain(first);
    }

    [Fact]
    public async Task A_data_directory_that_is_a_file_is_an_error_that_names_it()
    {
        var path = Path.Combine(_folder.Path, "file");
        await File.WriteAllTextAsync(path, "");
        var error = await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(path));
        error.Message.ShouldContain(path);
        error.Message.ShouldNotContain("\n");
    }

    private async Task<string> AckAndCloseAsync()
    {
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            await client.PublishAsync("acked");
            await client.AckAsync(await client.PullAsync());
        }

        return Files("*.acks").Single();
    }

    private string[] Files(string pattern) =>
        [.. Directory.GetFiles(_folder.Path, pattern, SearchOption.AllDirectories).Order(StringComparer.Ordinal)];

    private async Task PublishAndCloseAsync(int count, long segmentBytes = 64 << 20)
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path, o => o with { SegmentBytes = segmentBytes });
        foreach (var chunk in Enumerable.Range(0, count).Select(i => $"message {i}").Chunk(20))
        {
            await client.PublishAsync(chunk);
        }
    }

    private static async Task AppendAsync(string path, byte[] bytes)
    {
        await using var file = new FileStream(path, FileMode.Append);
        await file.WriteAsync(bytes);
    }
}
