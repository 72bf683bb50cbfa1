using System.Buffers;
using System.Text;
using Akka.Actor;
using Akka.Serialization;
using EcomStream.Core;

namespace EcomStream.Cluster;

/// <summary>
/// The messages between nodes as bytes. A manifest names the message and its version; fields may only be added at the end of a
/// message, and a reader ignores what follows the fields that it knows, so that nodes of neighbouring versions understand each
/// other. Integers are variable-length (LEB128, signed ones zigzag-coded), texts are UTF-8 behind their length.
/// </summary>
public sealed class ClusterMessageSerializer : SerializerWithStringManifest
{
    private const string DeliveryManifest = "D1";
    private const string AcceptedManifest = "A1";
    private const string RefusedManifest = "R1";
    private const string SettledManifest = "S1";
    private const string ReportManifest = "N1";

    // What most messages have besides their data.
    private const int BytesBesidesData = 64;

    /// <summary>Makes the serializer of an actor system.</summary>
    /// <param name="system">The system.</param>
    public ClusterMessageSerializer(ExtendedActorSystem system)
        : base(system)
    {
    }

    /// <inheritdoc/>
    public override int Identifier => 7_301;

    /// <inheritdoc/>
    public override string Manifest(object o) => o switch
    {
        ShardDelivery => DeliveryManifest,
        BatchAccepted => AcceptedManifest,
        BatchRefused => RefusedManifest,
        Settled => SettledManifest,
        NodeReport => ReportManifest,
        _ => throw new ArgumentException($"{o.GetType()} is not a message between nodes", nameof(o)),
    };

    /// <inheritdoc/>
    public override byte[] ToBinary(object obj)
    {
        var writer = new NodeMessageWriter(obj is ShardDelivery { Decoded: { } decoded } ? Size(decoded) : 256);
        switch (obj)
        {
            case ShardDelivery delivery:
                Write(writer, delivery);
                break;
            case BatchAccepted accepted:
                writer.Long(accepted.Batch);
                break;
            case BatchRefused refused:
                writer.Long(refused.Batch);
                break;
            case Settled settled:
                writer.Ids(settled.Acks);
                writer.Ids(settled.Nacks);
                break;
            case NodeReport report:
                Write(writer, report);
                break;
            default:
                throw new ArgumentException($"{obj.GetType()} is not a message between nodes", nameof(obj));
        }

        return writer.ToArray();
    }

    /// <inheritdoc/>
    public override object FromBinary(byte[] bytes, string manifest)
    {
        var reader = new NodeMessageReader(bytes);
        return manifest switch
        {
            DeliveryManifest => ReadDelivery(ref reader),
            AcceptedManifest => new BatchAccepted(reader.Long()),
            RefusedManifest => new BatchRefused(reader.Long()),
            SettledManifest => new Settled(reader.Ids(), reader.Ids()),
            ReportManifest => ReadReport(ref reader),
            _ => throw new System.Runtime.Serialization.SerializationException(
                $"Unknown message {manifest} from another node: it runs a newer version of EcomStream. Nodes of a cluster may differ by one version only"),
        };
    }

    private static int Size(IReadOnlyList<OrderMessage> messages)
    {
        var size = BytesBesidesData;
        for (var i = 0; i < messages.Count; i++)
        {
            size += messages[i].Delivery.Data.Length + BytesBesidesData;
        }

        return size;
    }

    private static void Write(NodeMessageWriter writer, ShardDelivery delivery)
    {
        var count = delivery.Decoded?.Count ?? delivery.Raw!.Count;
        writer.Long(delivery.Shard);
        writer.Long(delivery.Batch);
        writer.Long((byte)delivery.Kind);
        writer.Text(delivery.Subscription);
        writer.Long(count);
        var lastPublishTime = 0L;
        for (var i = 0; i < count; i++)
        {
            var message = delivery.Decoded is { } decoded ? ShardMessages.Raw(ShardMessages.Received(decoded[i])) : delivery.Raw![i];
            writer.Long(message.PublishTimeMicros - lastPublishTime);
            lastPublishTime = message.PublishTimeMicros;
            writer.Text(message.MessageId);
            writer.Text(message.OrderingKey);
            writer.Long(message.Attributes.Count);
            if (message.Attributes.Count > 0)
            {
                foreach (var (name, value) in message.Attributes)
                {
                    writer.Text(name);
                    writer.Text(value);
                }
            }

            writer.Bytes(message.Data.Span);
        }
    }

    private static ShardDelivery ReadDelivery(ref NodeMessageReader reader)
    {
        var shard = checked((int)reader.Long());
        var batch = reader.Long();
        var kind = (MessageKind)reader.Long();
        var subscription = reader.Text();
        var messages = new RawMessage[reader.Count()];
        var publishTime = 0L;
        for (var i = 0; i < messages.Length; i++)
        {
            publishTime += reader.Long();
            var (messageId, orderingKey) = (reader.Text(), reader.Text());
            var attributes = Delivery.NoAttributes;
            if (reader.Count() is > 0 and var count)
            {
                var read = new Dictionary<string, string>(count);
                for (var n = 0; n < count; n++)
                {
                    read[reader.Text()] = reader.Text();
                }

                attributes = read;
            }

            messages[i] = new RawMessage(reader.Bytes(), attributes, messageId, publishTime, orderingKey);
        }

        return new ShardDelivery { Shard = shard, Batch = batch, Kind = kind, Subscription = subscription, Raw = messages };
    }

    private static void Write(NodeMessageWriter writer, NodeReport report)
    {
        Write(writer, report.Node);
        writer.Long(report.SentAt);
        writer.Long(report.WatermarkMicros is null ? 0 : 1);
        writer.Long(report.WatermarkMicros ?? 0);
        writer.Long(report.LongestLeaseMicros);
        writer.Long(report.Heard.Count);
        foreach (var (node, sentAt) in report.Heard)
        {
            Write(writer, node);
            writer.Long(sentAt);
        }

        writer.Long(report.Shards.Count);
        foreach (var (shard, messages) in report.Shards)
        {
            writer.Long(shard);
            writer.Long(messages);
        }

        writer.Long(report.ShardsStarted);
        writer.Long(report.Outstanding);
    }

    private static NodeReport ReadReport(ref NodeMessageReader reader)
    {
        var (node, sentAt) = (ReadNode(ref reader), reader.Long());
        var (isKnown, watermark, lease) = (reader.Long() != 0, reader.Long(), reader.Long());
        var heard = new (NodeId, long)[reader.Count()];
        for (var i = 0; i < heard.Length; i++)
        {
            heard[i] = (ReadNode(ref reader), reader.Long());
        }

        var shards = new (int, long)[reader.Count()];
        for (var i = 0; i < shards.Length; i++)
        {
            shards[i] = (checked((int)reader.Long()), reader.Long());
        }

        return new NodeReport
        {
            Node = node,
            SentAt = sentAt,
            WatermarkMicros = isKnown ? watermark : null,
            LongestLeaseMicros = lease,
            Heard = heard,
            Shards = shards,
            ShardsStarted = reader.Long(),
            Outstanding = checked((int)reader.Long()),
        };
    }

    private static void Write(NodeMessageWriter writer, NodeId node)
    {
        writer.Text(node.Address);
        writer.Long(node.Uid);
    }

    private static NodeId ReadNode(ref NodeMessageReader reader) => new(reader.Text(), checked((int)reader.Long()));
}
