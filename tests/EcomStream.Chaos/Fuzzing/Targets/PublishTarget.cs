using System.Buffers;
using EcomStream.PubSub.Broker.Publishing;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;

namespace EcomStream.Chaos.Fuzzing.Targets;

/// <summary>
/// Publish requests as bytes, which the broker stores without parsing them into objects: what it accepts must be what
/// protobuf's own parser reads.
/// </summary>
internal sealed class PublishTarget : IFuzzTarget
{
    private static readonly IReadOnlyList<byte[]> _corpus = PublishRequests.Corpus;
    private static readonly IReadOnlyList<byte[]> _tokens = PublishRequests.Tokens;

    public string Name => "publish-request";

    public int Weight => 110;

    public void Run(FuzzInput input)
    {
        var bytes = input.Next(_corpus, _tokens);
        try
        {
            using var request = RawPublishRequest.Read(new ReadOnlySequence<byte>(bytes));
            using var messages = request.TakeChecked();
            var expected = PublishRequest.Parser.ParseFrom(bytes);
            if (expected.Topic != request.Topic || expected.Messages.Count != messages.Count)
            {
                throw new FuzzException($"accepted {messages.Count} messages to '{request.Topic}', and protobuf reads {expected}");
            }

            var i = 0;
            foreach (var message in messages)
            {
                var stored = PubsubMessage.Parser.ParseFrom(message);
                var (data, attributes) = (expected.Messages[i].Data, expected.Messages[i].Attributes);
                if (stored.Data != data || !stored.Attributes.Equals(attributes) || stored.OrderingKey != expected.Messages[i].OrderingKey || stored.MessageId.Length > 0)
                {
                    throw new FuzzException($"accepted {stored}, and protobuf reads {expected.Messages[i]}");
                }

                i++;
            }
        }
        catch (RpcException refused) when (refused.StatusCode is StatusCode.InvalidArgument or StatusCode.Unimplemented)
        {
            // As documented.
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}

/// <summary>Publish requests to begin with.</summary>
internal static class PublishRequests
{
    public const string Topic = "projects/fuzz/topics/orders";

    public static IReadOnlyList<byte[]> Corpus { get; } =
    [
        Request(new PubsubMessage { Data = ByteString.CopyFromUtf8("one") }),
        Request(new PubsubMessage { Data = ByteString.CopyFromUtf8("two"), Attributes = { ["a"] = "b", ["é"] = "" } }, new PubsubMessage { Data = ByteString.CopyFromUtf8("three") }),
        Request(new PubsubMessage { Data = ByteString.CopyFromUtf8("four"), OrderingKey = "key" }),
        Request(new PubsubMessage { Attributes = { ["only"] = "attributes" } }),
        Request(new PubsubMessage { Data = ByteString.CopyFromUtf8("five"), MessageId = "7", PublishTime = new() { Seconds = 5 } }),
    ];

    public static IReadOnlyList<byte[]> Tokens { get; } =
    [
        [0x0A], [0x12], [0x1A], [0x22], [0x2A], [0x08], [0x0B], [0x0C], [0x0D], [0x09], [0x12, 0x00], [0x0A, 0x00], [0x12, 0x02, 0x0A, 0x00], [0x80], [0xFF, 0xFF, 0xFF, 0xFF, 0x0F],
        [0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0xFF, 0x01], [0x12, 0x04, 0x12, 0x02, 0x0A, 0x00], [0xC3, 0x28], [0x92, 0x80, 0x00],
    ];

    private static byte[] Request(params PubsubMessage[] messages)
    {
        var request = new PublishRequest { Topic = Topic };
        request.Messages.AddRange(messages);
        return request.ToByteArray();
    }
}
