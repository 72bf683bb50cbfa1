using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>Nothing is created or written after a log, the acks or the journal are closed: the folder may belong to another broker by then.</summary>
public sealed class ClosedFilesTests : IDisposable
{
    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_log_without_messages_that_is_closed_does_not_create_its_folder()
    {
        var topic = Path.Combine(_folder.Path, "1");
        var log = TopicLog.Open(topic, new EmbeddedBrokerOptions { DataDirectory = _folder.Path }, NullLogger.Instance);
        log.Dispose();

        using var messages = RawMessages.Of([new PubsubMessage { Data = ByteString.CopyFromUtf8("x") }]);
        Should.Throw<ObjectDisposedException>(() => log.Append(messages));

        Directory.Exists(topic).ShouldBeFalse();
    }

    [Fact]
    public void Acks_that_are_closed_leave_the_file_of_another_broker_alone()
    {
        var path = Path.Combine(_folder.Path, "1.acks");
        var acks = AckLog.New(path, new AckState(0), new BrokerFiles());
        acks.Dispose();
        File.WriteAllText(path, "of another broker");

        Should.Throw<ObjectDisposedException>(() => acks.Ack([0]));
        Should.Throw<ObjectDisposedException>(() => acks.Reset(new AckState(1)));

        File.ReadAllText(path).ShouldBe("of another broker");
        Directory.GetFiles(_folder.Path).ShouldHaveSingleItem();
    }

    [Fact]
    public void Acks_with_a_file_that_are_closed_write_nothing_more()
    {
        var path = Path.Combine(_folder.Path, "1.acks");
        var acks = AckLog.New(path, new AckState(0), new BrokerFiles());
        acks.Ack([0]);
        acks.Dispose();
        var written = File.ReadAllBytes(path);

        Should.Throw<ObjectDisposedException>(() => acks.Ack([1]));
        Should.Throw<ObjectDisposedException>(() => acks.Reset(new AckState(5)));
        acks.Sync(new Lock());

        File.ReadAllBytes(path).ShouldBe(written);
        Directory.GetFiles(_folder.Path).ShouldHaveSingleItem();
    }

    [Fact]
    public void A_marker_that_is_closed_is_not_created()
    {
        var path = Path.Combine(_folder.Path, "synced");
        var marker = new SyncMarker(path, DiskFileStore.Instance);
        marker.Dispose();

        marker.Write(1, 1);

        File.Exists(path).ShouldBeFalse();
    }

    [Fact]
    public void A_journal_that_is_closed_is_not_begun_again()
    {
        var journal = MetadataJournal.Open(Path.Combine(_folder.Path, "broker.json"), new BrokerFiles(), NullLogger.Instance);
        journal.Dispose();

        Should.Throw<ObjectDisposedException>(() => journal.Append(new MetadataChange { NextId = 2 }));
        Should.Throw<ObjectDisposedException>(journal.Compact);

        Directory.GetFiles(_folder.Path).ShouldBeEmpty();
    }
}
