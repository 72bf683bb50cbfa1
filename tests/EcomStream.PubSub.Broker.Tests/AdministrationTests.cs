using System.Diagnostics;
using System.Text;
using System.Text.Json.Nodes;
using EcomStream.PubSub.Broker.Storage;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Grpc.Core;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>Topics and subscriptions on disk: what a crash leaves of them, and what they cost.</summary>
public sealed class AdministrationTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Theory]
    [InlineData(FsyncPolicy.Always)]
    [InlineData(FsyncPolicy.Never)]
    public async Task Everything_created_changed_and_deleted_survives_a_crash_of_the_process(FsyncPolicy fsync)
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path, o => o with { Fsync = fsync });
        await client.Publisher.CreateTopicAsync(new Topic { Name = "projects/p/topics/gone" });
        await client.Publisher.CreateTopicAsync(new Topic { Name = "projects/p/topics/kept" });
        await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = "projects/p/subscriptions/gone", Topic = BrokerClient.Topic });
        await client.Subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Name = "projects/p/snapshots/kept", Subscription = BrokerClient.Subscription });
        await client.Subscriber.UpdateSubscriptionAsync(new UpdateSubscriptionRequest
        {
            Subscription = new Subscription { Name = BrokerClient.Subscription, AckDeadlineSeconds = 77 }, UpdateMask = new() { Paths = { "ack_deadline_seconds" } },
        });
        await client.Publisher.DeleteTopicAsync(new DeleteTopicRequest { Topic = "projects/p/topics/gone" });
        await client.Subscriber.DeleteSubscriptionAsync(new DeleteSubscriptionRequest { Subscription = "projects/p/subscriptions/gone" });
        await client.PublishAsync("kept");

        using var crashed = _folder.Snapshot();
        await using var after = await BrokerClient.StartAsync(crashed.Path);
        (await after.Publisher.ListTopicsAsync(new ListTopicsRequest { Project = "projects/p" })).Topics.Select(t => t.Name)
            .ShouldBe(["projects/p/topics/kept", BrokerClient.Topic]);
        var subscription = (await after.Subscriber.ListSubscriptionsAsync(new ListSubscriptionsRequest { Project = "projects/p" })).Subscriptions.ShouldHaveSingleItem();
        (subscription.Name, subscription.AckDeadlineSeconds).ShouldBe((BrokerClient.Subscription, 77));
        (await after.Subscriber.ListSnapshotsAsync(new ListSnapshotsRequest { Project = "projects/p" })).Snapshots.ShouldHaveSingleItem();
        (await after.PullAsync()).Select(BrokerClient.Text).ShouldBe(["kept"]);
    }

    [Fact]
    public async Task A_crash_at_any_byte_of_the_journal_leaves_what_was_done_before()
    {
        await using var client = await BrokerClient.StartAsync(_folder.Path);
        for (var i = 0; i < 4; i++)
        {
            await client.Publisher.CreateTopicAsync(new Topic { Name = $"projects/p/topics/topic-{i}" });
        }

        using var crashed = _folder.Snapshot();
        var journal = Path.Combine(crashed.Path, "changes.broker.json");
        var whole = await File.ReadAllBytesAsync(journal);
        for (var length = whole.Length; length >= 0; length -= 23)
        {
            using var cut = crashed.Snapshot();
            File.Delete(Path.Combine(cut.Path, "changes.broker.json.synced"));
            await File.WriteAllBytesAsync(Path.Combine(cut.Path, "changes.broker.json"), whole[..length]);
            await using var after = await BrokerClient.StartAsync(cut.Path);
            var names = (await after.Publisher.ListTopicsAsync(new ListTopicsRequest { Project = "projects/p" })).Topics.Select(t => t.Name).ToList();
            names.ShouldBe(Enumerable.Range(0, names.Count).Select(i => $"projects/p/topics/topic-{i}"));
            names.Count.ShouldBe(length == whole.Length ? 4 : names.Count);
            await after.Publisher.CreateTopicAsync(new Topic { Name = "projects/p/topics/after" });
        }
    }

    [Fact]
    public async Task Damage_in_the_synced_part_of_the_journal_is_an_error_that_names_the_file()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path, o => o with { Fsync = FsyncPolicy.Always });
        using var crashed = _folder.Snapshot();
        var journal = Path.Combine(crashed.Path, "changes.broker.json");
        var bytes = await File.ReadAllBytesAsync(journal);
        bytes[bytes.Length / 2] ^= 0x10;
        await File.WriteAllBytesAsync(journal, bytes);

        (await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(crashed.Path))).Message.ShouldContain(journal);
    }

    [Fact]
    public async Task What_a_later_version_has_stored_is_kept_when_the_journal_is_folded_in()
    {
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            await client.PublishAsync("kept");
        }

        // Fields at every level, a change of a kind that this version lacks, and the files of what it has made.
        var path = Path.Combine(_folder.Path, "broker.json");
        var metadata = JsonNode.Parse(await File.ReadAllBytesAsync(path))!.AsObject();
        metadata["Pipelines"] = JsonNode.Parse("""[{ "Id": 7 }]""");
        metadata["Topics"]![0]!["Color"] = "red";
        metadata["Topics"]![0]!["Settings"]!["Tier"] = 3;
        metadata["Subscriptions"]![0]!["Settings"]!["Lanes"] = JsonNode.Parse("[1, 2]");
        await File.WriteAllTextAsync(path, metadata.ToJsonString());
        var change = Encoding.UTF8.GetBytes("""{"NextId":50,"Pipeline":{"Id":49,"Steps":["a"]},"RemovedPipeline":7}""");
        await File.WriteAllBytesAsync(
            Path.Combine(_folder.Path, "changes.broker.json"), [.. JournalLine.Of(Encoding.UTF8.GetBytes($"{metadata["Journal"]}")), .. JournalLine.Of(change)]);
        Directory.CreateDirectory(Path.Combine(_folder.Path, "topics", "49"));

        for (var restart = 0; restart < 2; restart++)
        {
            await using var client = await BrokerClient.StartAsync(_folder.Path);
            await client.Publisher.UpdateTopicAsync(new UpdateTopicRequest
            {
                Topic = new Topic { Name = BrokerClient.Topic, Labels = { ["a"] = $"{restart}" } }, UpdateMask = new() { Paths = { "labels" } },
            });
            await client.Subscriber.UpdateSubscriptionAsync(new UpdateSubscriptionRequest
            {
                Subscription = new Subscription { Name = BrokerClient.Subscription, AckDeadlineSeconds = 70 + restart }, UpdateMask = new() { Paths = { "ack_deadline_seconds" } },
            });
            (await client.Publisher.CreateTopicAsync(new Topic { Name = $"projects/p/topics/more-{restart}" })).Name.ShouldNotBeEmpty();
        }

        var kept = JsonNode.Parse(await File.ReadAllBytesAsync(path))!;
        kept["Pipelines"]!.ToJsonString().ShouldBe("""[{"Id":7}]""");
        kept["Topics"]![0]!["Color"]!.GetValue<string>().ShouldBe("red");
        kept["Topics"]![0]!["Settings"]!["Tier"]!.GetValue<int>().ShouldBe(3);
        kept["Topics"]![0]!["Settings"]!["Labels"]!["a"]!.GetValue<string>().ShouldBe("1");
        kept["Subscriptions"]![0]!["Settings"]!["Lanes"]!.ToJsonString().ShouldBe("[1,2]");
        var later = kept["LaterChanges"]!.AsArray().ShouldHaveSingleItem()!;
        later["Pipeline"]!.ToJsonString().ShouldBe("""{"Id":49,"Steps":["a"]}""");
        later["RemovedPipeline"]!.GetValue<int>().ShouldBe(7);
        kept["Topics"]!.AsArray().Select(topic => topic!["Id"]!.GetValue<int>()).ShouldBe([1, 50, 51]);
        Directory.Exists(Path.Combine(_folder.Path, "topics", "49")).ShouldBeTrue();
    }

    [Fact]
    public async Task Changes_that_an_earlier_version_could_not_apply_are_applied()
    {
        await using (await BrokerClient.StartReadyAsync(_folder.Path))
        {
        }

        var path = Path.Combine(_folder.Path, "broker.json");
        var metadata = JsonNode.Parse(await File.ReadAllBytesAsync(path))!.AsObject();
        metadata["LaterChanges"] = JsonNode.Parse("""
            [
              { "Topic": { "Id": 20, "Name": "projects/p/topics/gone", "Deleted": false } },
              { "Topic": { "Id": 21, "Name": "projects/p/topics/later", "Deleted": false } },
              { "RemovedTopic": 20 }
            ]
            """);
        await File.WriteAllTextAsync(path, metadata.ToJsonString());

        await using var client = await BrokerClient.StartAsync(_folder.Path);
        (await client.Publisher.ListTopicsAsync(new ListTopicsRequest { Project = "projects/p" })).Topics.Select(topic => topic.Name)
            .ShouldBe(["projects/p/topics/later", BrokerClient.Topic]);
    }

    [Fact]
    public async Task Files_that_a_crash_left_between_creating_and_noting_them_are_deleted_at_the_next_start()
    {
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            await client.PublishAsync("kept");
        }

        var orphans = new[] { "topics/77/00000000000000000000.log", "subscriptions/78.acks", "subscriptions/78.acks.synced", "snapshots/79.acks", "subscriptions/2.acks.new" };
        foreach (var orphan in orphans)
        {
            var path = Path.Combine(_folder.Path, orphan);
            Directory.CreateDirectory(Path.GetDirectoryName(path)!);
            await File.WriteAllTextAsync(path, "left");
        }

        var own = Path.Combine(_folder.Path, "topics", "readme.txt");
        await File.WriteAllTextAsync(own, "not the broker's");
        await using var after = await BrokerClient.StartAsync(_folder.Path);
        foreach (var orphan in orphans)
        {
            File.Exists(Path.Combine(_folder.Path, orphan)).ShouldBeFalse(orphan);
        }

        Directory.Exists(Path.Combine(_folder.Path, "topics", "77")).ShouldBeFalse();
        File.Exists(own).ShouldBeTrue();
        (await after.PullAsync()).Select(BrokerClient.Text).ShouldBe(["kept"]);
    }

    [Fact]
    public async Task Messages_without_the_list_of_topics_are_an_error_and_are_not_deleted()
    {
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            await client.PublishAsync("kept");
        }

        var metadata = Path.Combine(_folder.Path, "broker.json");
        var bytes = await File.ReadAllBytesAsync(metadata);
        File.Delete(metadata);
        (await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(_folder.Path))).Message.ShouldContain(metadata);

        await File.WriteAllBytesAsync(metadata, bytes);
        await using var after = await BrokerClient.StartAsync(_folder.Path);
        (await after.PullAsync()).Select(BrokerClient.Text).ShouldBe(["kept"]);
    }

    [Fact]
    public async Task The_files_of_deleted_topics_and_subscriptions_are_deleted()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await client.PublishAsync("gone");
        await client.AckAsync(await client.PullAsync());
        await client.Publisher.DeleteTopicAsync(new DeleteTopicRequest { Topic = BrokerClient.Topic });
        await client.Subscriber.DeleteSubscriptionAsync(new DeleteSubscriptionRequest { Subscription = BrokerClient.Subscription });

        await Eventually.True(
            () => Directory.GetFileSystemEntries(Path.Combine(_folder.Path, "topics")).Length == 0
                && Directory.GetFileSystemEntries(Path.Combine(_folder.Path, "subscriptions")).Length == 0,
            "their files are deleted");
    }

    [SkippableFact]
    public async Task No_file_is_open_when_it_is_replaced_because_Windows_replaces_no_open_file()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "/proc lists the open files");
        var open = new List<string>();
        var replaced = new HashSet<string>();
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path, o => o with
        {
            SegmentBytes = 4_000,
            Files = new BrokerFiles(beforeMove: (from, to) =>
            {
                lock (open)
                {
                    replaced.Add(Path.GetExtension(to));
                    open.AddRange(Directory.EnumerateFiles("/proc/self/fd").Select(OpenFile).Where(path => path == from || path == to));
                }
            }),
        }))
        {
            await client.Subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Name = "projects/p/snapshots/snap", Subscription = BrokerClient.Subscription });
            await client.PublishManyAsync(1_000);
            await client.AckAsync(await client.PullAsync());
            await client.Subscriber.SeekAsync(new SeekRequest { Subscription = BrokerClient.Subscription, Snapshot = "projects/p/snapshots/snap" });
            await client.AckAsync(await client.PullAsync());
            client.Stats.Backlog.ShouldBe(0);
        }

        open.ShouldBeEmpty();
        replaced.ShouldBe([".acks", ".index", ".json"], ignoreOrder: true);
    }

    // Another test may close the file meanwhile.
    private static string OpenFile(string descriptor)
    {
        try
        {
            return File.ResolveLinkTarget(descriptor, returnFinalTarget: false)?.FullName ?? "";
        }
        catch (IOException)
        {
            return "";
        }
    }
}
