using System.Text;
using Akka.Actor;
using CsCheck;
using EcomStream.Core;

namespace EcomStream.Cluster.Tests;

/// <summary>The messages between nodes as bytes. The frozen bytes are those of version 1, which every later version must read.</summary>
public sealed class ClusterMessageSerializerTests : IDisposable
{
    private readonly ActorSystem _system = ActorSystem.Create("serializer");
    private readonly ClusterMessageSerializer _serializer;

    public ClusterMessageSerializerTests() => _serializer = new ClusterMessageSerializer((ExtendedActorSystem)_system);

    public void Dispose() => _system.Dispose();

    [Fact]
    public void Messages_of_version_1_are_read_and_written_as_ever()
    {
        Frozen(new BatchAccepted(300), "A1", "D804");
        Frozen(new BatchRefused(300), "R1", "D804");
        Frozen(new Settled([65_536, 65_537], [131_072]), "S1", "048080080202808010");
        Frozen(
            Delivery(new RawMessage("{}"u8.ToArray(), new Dictionary<string, string> { ["k"] = "ü" }, "17", 1_000, "key")),
            "D1",
            "060E020A6F2D73756202D00F0431370 66B657902026B04C3BC047B7D".Replace(" ", "", StringComparison.Ordinal));
        Frozen(
            Report(),
            "N1",
            "02610214020E0A020262040C02060806 28".Replace(" ", "", StringComparison.Ordinal));
    }

    [Fact]
    public void Fields_that_a_later_version_adds_at_the_end_are_ignored()
    {
        var bytes = _serializer.ToBinary(Report());

        var read = (NodeReport)_serializer.FromBinary([.. bytes, 42, 42], "N1");

        read.Node.ShouldBe(Report().Node);
        read.Outstanding.ShouldBe(20);
    }

    [Fact]
    public void An_unknown_message_is_refused_with_what_to_do() =>
        Should.Throw<System.Runtime.Serialization.SerializationException>(() => _serializer.FromBinary([], "Z9"))
            .Message.ShouldContain("one version");

    [Fact]
    public void Every_message_comes_back_as_it_was() => Gen.Select(
        Gen.Long, Gen.String, Gen.Byte.Array[0, 200], Gen.Dictionary(Gen.String, Gen.String)[0, 3], Gen.Long[0, long.MaxValue / 2], Gen.String)
        .Array[0, 20]
        .Sample(messages =>
        {
            RawMessage[] raw = [.. messages.Select(m => new RawMessage(m.Item3, m.Item4, m.Item2, m.Item5, m.Item6))];
            var read = (ShardDelivery)_serializer.FromBinary(_serializer.ToBinary(Delivery(raw)), "D1");
            read.Raw!.Count.ShouldBe(raw.Length);
            foreach (var (was, now) in raw.Zip(read.Raw!))
            {
                now.Data.ToArray().ShouldBe(was.Data.ToArray());
                now.Attributes.ShouldBe(was.Attributes, ignoreOrder: true);
                (now.MessageId, now.PublishTimeMicros, now.OrderingKey).ShouldBe((was.MessageId, was.PublishTimeMicros, was.OrderingKey));
            }

            var ids = messages.Select(m => m.Item1).ToArray();
            ((Settled)_serializer.FromBinary(_serializer.ToBinary(new Settled(ids, [])), "S1")).Acks.ShouldBe(ids);
        });

    [Fact]
    public void Bytes_that_are_cut_or_random_are_refused_and_do_nothing_else() => Gen.Select(Gen.Byte.Array[0, 60], Gen.Int[0, 4].Select(n => ((string[])["D1", "A1", "R1", "S1", "N1"])[n]))
        .Sample((bytes, manifest) =>
        {
            try
            {
                _serializer.FromBinary(bytes, manifest);
            }
            catch (Exception refused) when (refused is InvalidDataException or OverflowException)
            {
            }
        });

    [Fact]
    public void Within_a_process_the_decoded_messages_are_encoded_as_they_were_received()
    {
        var stored = new StoredDelivery(Encoding.UTF8.GetBytes("""{"order_id": 7}"""), "9", 5, "orders_data-sub");
        OrderCodec.TryDecode(stored.Data.Span, out var order, out _).ShouldBeTrue();
        var sent = new ShardDelivery
        {
            Shard = 1, Batch = 1, Kind = MessageKind.Order, Subscription = stored.Subscription, Decoded = [new OrderReceived(order, new Stamp(5), stored)],
        };

        var raw = ((ShardDelivery)_serializer.FromBinary(_serializer.ToBinary(sent), "D1")).Raw!.ShouldHaveSingleItem();

        raw.Data.ToArray().ShouldBe(stored.Data.ToArray());
        (raw.MessageId, raw.PublishTimeMicros).ShouldBe(("9", 5));
    }

    private void Frozen(object message, string manifest, string hex)
    {
        _serializer.Manifest(message).ShouldBe(manifest);
        var bytes = _serializer.ToBinary(message);
        Convert.ToHexString(bytes).ShouldBe(hex);
        Convert.ToHexString(_serializer.ToBinary(_serializer.FromBinary(bytes, manifest))).ShouldBe(hex);
    }

    private static ShardDelivery Delivery(params RawMessage[] messages) =>
        new() { Shard = 3, Batch = 7, Kind = MessageKind.Payment, Subscription = "o-sub", Raw = messages };

    private static NodeReport Report() => new()
    {
        Node = new NodeId("a", 1),
        SentAt = 10,
        WatermarkMicros = 7,
        LongestLeaseMicros = 5,
        Heard = [(new NodeId("b", 2), 6)],
        Shards = [(3, 4)],
        ShardsStarted = 3,
        Outstanding = 20,
    };
}
