using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>A log with damaged messages is read around them after a repair, and everything else keeps its place.</summary>
public sealed class RepairTests : IDisposable
{
    private const int Messages = 600;

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_folder_without_damage_has_nothing_to_repair()
    {
        await PublishAsync();
        BrokerRepair.Check(_folder.Path).ShouldBeEmpty();
        BrokerRepair.Repair(_folder.Path).ShouldBeEmpty();
        await ShouldHoldAllButAsync();
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(-1)]
    public async Task A_damaged_message_is_reported_and_skipped_and_the_acks_of_the_others_stay(int file)
    {
        await PublishAsync(ackEvery: 3);
        var logs = Logs();
        var log = file < 0 ? logs[^1] : logs[file];
        var bytes = await File.ReadAllBytesAsync(log);
        bytes[bytes.Length / 2] ^= 0x10;
        await File.WriteAllBytesAsync(log, bytes);

        var found = BrokerRepair.Check(_folder.Path).ShouldHaveSingleItem();
        (found.File, found.LostMessages).ShouldBe((log, 1));
        found.Position.ShouldBeInRange(bytes.Length / 3, bytes.Length / 2);
        (await File.ReadAllBytesAsync(log)).ShouldBe(bytes);

        BrokerRepair.Repair(_folder.Path).ShouldBe([found]);
        BrokerRepair.Check(_folder.Path).ShouldBeEmpty();
        (await File.ReadAllBytesAsync(log + ".damaged")).ShouldBe(bytes);
        await ShouldHoldAllButAsync([(int)found.FirstOffset], ackEvery: 3);
    }

    [Fact]
    public async Task Several_damaged_places_of_several_messages_are_skipped()
    {
        await PublishAsync();
        var log = Logs()[1];
        var bytes = await File.ReadAllBytesAsync(log);
        bytes.AsSpan(bytes.Length / 4, 300).Fill(0xEE);
        bytes.AsSpan(bytes.Length / 2, 500).Clear();
        await File.WriteAllBytesAsync(log, bytes);

        var repaired = BrokerRepair.Repair(_folder.Path);
        repaired.Count.ShouldBe(2);
        repaired.ShouldAllBe(damage => damage.LostMessages > 1);
        await ShouldHoldAllButAsync([.. repaired.SelectMany(Offsets)]);
    }

    [Fact]
    public async Task A_missing_file_is_reported_and_skipped()
    {
        await PublishAsync();
        var logs = Logs();
        var lost = (int)(long.Parse(Path.GetFileNameWithoutExtension(logs[2])) - long.Parse(Path.GetFileNameWithoutExtension(logs[1])));
        File.Delete(logs[1]);
        (await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(_folder.Path))).Message.ShouldContain("can be read");

        var repaired = BrokerRepair.Repair(_folder.Path).ShouldHaveSingleItem();
        (repaired.File, repaired.LostMessages).ShouldBe((logs[1], lost));
        await ShouldHoldAllButAsync([.. Offsets(repaired)]);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(2)]
    public async Task Messages_whose_acks_are_damaged_are_delivered_again_and_all_other_acks_stay(int frame)
    {
        await PublishAsync();
        await using (var client = await BrokerClient.StartAsync(_folder.Path, o => o with { SegmentBytes = 10_000 }))
        {
            // After the frame with the cursor: three frames that ack two messages each.
            var all = await client.PullAsync();
            for (var i = 0; i < 6; i += 2)
            {
                await client.AckAsync([all[10 + i], all[100 + i]]);
            }
        }

        var path = Directory.GetFiles(_folder.Path, "*.acks", SearchOption.AllDirectories).ShouldHaveSingleItem();
        var bytes = await File.ReadAllBytesAsync(path);
        var (at, size) = frame == 0 ? (0, 24) : (24 + (40 * (frame - 1)), 40);
        bytes[at + 12] ^= 0x10;
        await File.WriteAllBytesAsync(path, bytes);
        (await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(_folder.Path))).Message.ShouldContain("ecomstream broker repair");

        var found = BrokerRepair.Check(_folder.Path).ShouldHaveSingleItem();
        found.ShouldBe(new LogDamage(path, at, size, 0, 0) { IsOfAcks = true });
        (await File.ReadAllBytesAsync(path)).ShouldBe(bytes);
        BrokerRepair.Repair(_folder.Path).ShouldBe([found]);
        BrokerRepair.Check(_folder.Path).ShouldBeEmpty();
        (await File.ReadAllBytesAsync(path + ".damaged")).ShouldBe(bytes);
        await ShouldHoldAllButAsync(frame == 0 ? [10, 12, 14, 100, 102, 104] : [10, 14, 100, 104]);
    }

    [Fact]
    public async Task Missing_acks_are_reported_and_all_messages_since_the_subscription_was_created_are_delivered_again()
    {
        await PublishAsync(ackEvery: 3);
        var path = Directory.GetFiles(_folder.Path, "*.acks", SearchOption.AllDirectories).ShouldHaveSingleItem();
        File.Delete(path);
        (await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(_folder.Path))).Message.ShouldContain("ecomstream broker repair");

        var found = BrokerRepair.Check(_folder.Path).ShouldHaveSingleItem();
        found.ShouldBe(new LogDamage(path, 0, 0, 0, 0) { IsOfAcks = true });
        BrokerRepair.Repair(_folder.Path).ShouldBe([found]);
        BrokerRepair.Check(_folder.Path).ShouldBeEmpty();
        await ShouldHoldAllButAsync();
    }

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public async Task The_damaged_acks_of_a_snapshot_are_repaired(bool isEmpty)
    {
        await PublishAsync();
        await using (var client = await BrokerClient.StartAsync(_folder.Path, o => o with { SegmentBytes = 10_000 }))
        {
            await client.Subscriber.CreateSnapshotAsync(new CreateSnapshotRequest { Name = "projects/p/snapshots/before", Subscription = BrokerClient.Subscription });
        }

        var path = Directory.GetFiles(Path.Combine(_folder.Path, "snapshots"), "*.acks").ShouldHaveSingleItem();
        var bytes = await File.ReadAllBytesAsync(path);
        bytes[12] ^= 0x10;
        await File.WriteAllBytesAsync(path, isEmpty ? [] : bytes);
        (await Should.ThrowAsync<BrokerStartException>(() => BrokerClient.StartAsync(_folder.Path))).Message.ShouldContain("ecomstream broker repair");

        BrokerRepair.Check(_folder.Path).ShouldHaveSingleItem().File.ShouldBe(path);
        BrokerRepair.Repair(_folder.Path).ShouldHaveSingleItem().IsOfAcks.ShouldBeTrue();
        BrokerRepair.Check(_folder.Path).ShouldBeEmpty();
        await ShouldHoldAllButAsync();
    }

    [Fact]
    public async Task A_file_of_acks_that_was_never_synced_is_not_damaged()
    {
        await PublishAsync(ackEvery: 10);
        var path = Directory.GetFiles(_folder.Path, "*.acks", SearchOption.AllDirectories).ShouldHaveSingleItem();
        await File.WriteAllBytesAsync(path, new byte[24]);
        File.Delete(path + ".synced");
        BrokerRepair.Repair(_folder.Path).ShouldBeEmpty();
        await ShouldHoldAllButAsync();
    }

    [Fact]
    public async Task A_folder_in_use_is_not_repaired()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        Should.Throw<BrokerStartException>(() => BrokerRepair.Repair(_folder.Path));
    }

    private static IEnumerable<int> Offsets(LogDamage damage) => Enumerable.Range((int)damage.FirstOffset, (int)damage.LostMessages);

    private string[] Logs() => [.. Directory.GetFiles(_folder.Path, "*.log", SearchOption.AllDirectories).Order(StringComparer.Ordinal)];

    private async Task PublishAsync(int ackEvery = 0)
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path, o => o with { SegmentBytes = 10_000 });
        foreach (var chunk in Enumerable.Range(0, Messages).Select(i => $"message {i}").Chunk(20))
        {
            await client.PublishAsync(chunk);
        }

        if (ackEvery > 0)
        {
            await client.AckAsync((await client.PullAsync()).Where((_, i) => i % ackEvery == 1));
        }
    }

    private async Task ShouldHoldAllButAsync(int[]? lost = null, int ackEvery = 0)
    {
        await using var client = await BrokerClient.StartAsync(_folder.Path, o => o with { SegmentBytes = 10_000 });
        var texts = (await client.PullAsync()).Select(BrokerClient.Text).ToList();
        texts.ShouldBe(Enumerable.Range(0, Messages).Except(lost ?? []).Where(i => ackEvery == 0 || i % ackEvery != 1).Select(i => $"message {i}"));
        await client.PublishAsync("goes on");
        await client.AckAsync(await client.PullAsync());
    }
}
