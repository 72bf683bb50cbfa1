using System.Diagnostics;
using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>Message ids never repeat: consumers drop messages whose id they have seen.</summary>
public sealed class MessageIdTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();
    private readonly HashSet<string> _ids = [];

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task No_id_repeats_after_a_topic_is_created_again()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await PublishAsync(client);
        await client.Publisher.DeleteTopicAsync(new DeleteTopicRequest { Topic = BrokerClient.Topic });
        await client.Publisher.CreateTopicAsync(new Topic { Name = BrokerClient.Topic });
        await PublishAsync(client);
    }

    [Fact]
    public async Task Publish_times_of_one_request_ascend_and_none_is_a_whole_millisecond()
    {
        // Readers complete a time without microseconds from the message id, which would put it behind later messages.
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        var micros = new List<long>();
        for (var published = 0; published < 3_000; published += 1_000)
        {
            var request = new PublishRequest { Topic = BrokerClient.Topic };
            request.Messages.AddRange(Enumerable.Range(0, 1_000).Select(_ => new PubsubMessage { Data = Google.Protobuf.ByteString.CopyFromUtf8("x") }));
            await client.Publisher.PublishAsync(request);
        }

        while (micros.Count < 3_000)
        {
            micros.AddRange((await client.PullAsync(1_000)).Select(m => (m.Message.PublishTime.Seconds * 1_000_000) + (m.Message.PublishTime.Nanos / 1_000)));
        }

        micros.ShouldBeInOrder();
        micros.Distinct().Count().ShouldBe(3_000);
        micros.ShouldAllBe(time => time % 1_000 != 0);
    }

    [Fact]
    public async Task No_id_repeats_in_another_topic()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await PublishAsync(client);
        await client.Publisher.CreateTopicAsync(new Topic { Name = "projects/p/topics/other" });
        var request = new PublishRequest { Topic = "projects/p/topics/other", Messages = { new PubsubMessage { Data = Google.Protobuf.ByteString.CopyFromUtf8("x") } } };
        (await client.Publisher.PublishAsync(request)).MessageIds.ShouldAllBe(id => _ids.Add(id));
    }

    [Fact]
    public async Task No_id_repeats_after_the_folder_is_moved_away()
    {
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            await PublishAsync(client);
        }

        using var other = new TemporaryFolder();
        await using var anew = await BrokerClient.StartReadyAsync(other.Path);
        await PublishAsync(anew);
    }

    [Fact]
    public async Task No_id_repeats_after_a_power_cut()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await PublishAsync(client);
        using var left = _folder.Snapshot();
        var log = Directory.GetFiles(left.Path, "*.log", SearchOption.AllDirectories).Single();
        await using (var file = File.OpenWrite(log))
        {
            file.SetLength(file.Length / 2);
        }

        await using var after = await BrokerClient.StartAsync(left.Path);
        await PublishAsync(after);
    }

    [Fact]
    public async Task No_id_repeats_after_a_power_cut_that_took_a_whole_run()
    {
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            await PublishAsync(client);
        }

        var log = Directory.GetFiles(_folder.Path, "*.log", SearchOption.AllDirectories).Single();
        var before = await File.ReadAllBytesAsync(log);
        await using var second = await BrokerClient.StartAsync(_folder.Path);
        await PublishAsync(second);
        using var left = _folder.Snapshot();
        await File.WriteAllBytesAsync(Path.Combine(left.Path, Path.GetRelativePath(_folder.Path, log)), before);

        await using var third = await BrokerClient.StartAsync(left.Path);
        await PublishAsync(third);
    }

    [Fact]
    public async Task No_id_repeats_after_a_copy_of_the_folder_is_restored()
    {
        await using (var client = await BrokerClient.StartReadyAsync(_folder.Path))
        {
            await PublishAsync(client);
        }

        using var backup = _folder.Snapshot();
        using (var copy = Process.Start("cp", ["-a", Path.Combine(_folder.Path, "broker.lock"), backup.Path]))
        {
            await copy.WaitForExitAsync();
        }

        await using (var client = await BrokerClient.StartAsync(_folder.Path))
        {
            await PublishAsync(client);
        }

        await using var restored = await BrokerClient.StartAsync(backup.Path);
        await PublishAsync(restored);
    }

    [Fact]
    public async Task They_are_decimal_numbers_that_fit_64_bits_and_ascend()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await PublishAsync(client);
        _ids.ShouldAllBe(id => long.Parse(id) > 0 && id.Length == MessageStamp.LongestMessageId);
        _ids.Select(long.Parse).ShouldBeInOrder(SortDirection.Ascending);
        (await client.PullAsync()).Select(m => m.Message.MessageId).ShouldBe(_ids);
    }

    private async Task PublishAsync(BrokerClient client)
    {
        for (var i = 0; i < 3; i++)
        {
            (await client.PublishAsync("a", "b", "c")).ShouldAllBe(id => _ids.Add(id));
        }
    }
}
