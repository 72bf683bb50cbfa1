using System.Buffers;
using EcomStream.Core;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;

namespace EcomStream.PubSub.Tests;

/// <summary>The reader takes what the generated classes write.</summary>
public sealed class PullResponseReaderTests : IAsyncLifetime
{
    private readonly PubSubConnection _connection = PubSubConnection.Create(TestSettings.Of("localhost:1"));
    private Settler _settler = null!;

    public Task InitializeAsync()
    {
        var channel = _connection.OpenChannel();
        var calls = new SubscriptionCalls(
            "sub", "projects/p/subscriptions/sub", channel, new Subscriber.SubscriberClient(channel), "", _connection.Settings, TimeProvider.System,
            Microsoft.Extensions.Logging.Abstractions.NullLogger.Instance, PubSubMetrics.OfSubscription("sub"));
        var flow = new FlowControl(10, 10);
        _settler = new Settler(calls, new LeaseKeeper(calls, flow), flow);
        return Task.CompletedTask;
    }

    public async Task DisposeAsync()
    {
        await _settler.DisposeAsync();
        _connection.Dispose();
    }

    [Fact]
    public void Every_field_that_a_delivery_has_is_read()
    {
        var response = new StreamingPullResponse
        {
            SubscriptionProperties = new StreamingPullResponse.Types.SubscriptionProperties { ExactlyOnceDeliveryEnabled = true },
            ReceivedMessages =
            {
                new ReceivedMessage
                {
                    AckId = "ack-1",
                    DeliveryAttempt = 3,
                    Message = new PubsubMessage
                    {
                        Data = ByteString.CopyFrom(1, 2, 3),
                        MessageId = "42",
                        OrderingKey = "key",
                        PublishTime = new Timestamp { Seconds = 1_700_000_000, Nanos = 123_456_789 },
                        Attributes = { ["a"] = "1", ["ü"] = "ö", [""] = "" },
                    },
                },
                new ReceivedMessage { AckId = "ack-2", Message = new PubsubMessage { MessageId = "43" } },
            },
        };

        var read = PullResponseReader.Read(Segmented(response.ToByteArray(), 7), _settler);

        read.Deliveries.Length.ShouldBe(2);
        read.Redelivered.ShouldBe(1);
        var first = read.Deliveries[0];
        first.AckId.ShouldBe("ack-1");
        first.MessageId.ShouldBe("42");
        first.Data.ToArray().ShouldBe([1, 2, 3]);
        first.PublishTimeMicros.ShouldBe(1_700_000_000_123_456);
        first.Attributes.OrderBy(pair => pair.Key, StringComparer.Ordinal).Select(pair => pair.Key + pair.Value).ShouldBe(["", "a1", "üö"]);
        first.Attributes.ShouldBeSameAs(first.Attributes);
        var second = read.Deliveries[1];
        second.Data.Length.ShouldBe(0);
        second.PublishTimeMicros.ShouldBe(0);
        second.Attributes.ShouldBeSameAs(Delivery.NoAttributes);
        read.Bytes.ShouldBe(first.Bytes + second.Bytes);
    }

    [Fact]
    public void A_heartbeat_has_no_messages()
    {
        PullResponseReader.Read(ReadOnlySequence<byte>.Empty, _settler).Deliveries.ShouldBeEmpty();
    }

    [Fact]
    public void A_response_that_is_cut_anywhere_is_an_error_or_a_shorter_response_and_nothing_else()
    {
        var response = new StreamingPullResponse
        {
            ReceivedMessages =
            {
                new ReceivedMessage
                {
                    AckId = "ack",
                    Message = new PubsubMessage { Data = ByteString.CopyFrom(new byte[20]), MessageId = "1", PublishTime = new Timestamp { Seconds = 5 }, Attributes = { ["k"] = "v" } },
                },
            },
        }.ToByteArray();

        for (var length = 1; length < response.Length; length++)
        {
            Should.Throw<InvalidDataException>(() => PullResponseReader.Read(new ReadOnlySequence<byte>(response, 0, length), _settler));
        }
    }

    [Fact]
    public void Attributes_that_are_damaged_are_an_error_that_names_the_message()
    {
        // An entry of the map whose key says that it is longer than the entry.
        var message = new PubsubMessage { MessageId = "42" }.ToByteArray();
        byte[] damaged = [.. message, (2 << 3) | 2, 2, (1 << 3) | 2, 9];
        byte[] received = [(2 << 3) | 2, (byte)damaged.Length, .. damaged];
        byte[] response = [(1 << 3) | 2, (byte)received.Length, .. received];
        var delivery = PullResponseReader.Read(new ReadOnlySequence<byte>(response), _settler).Deliveries.ShouldHaveSingleItem();

        Should.Throw<InvalidDataException>(() => delivery.Attributes).Message.ShouldContain("message 42 of sub");
    }

    private static ReadOnlySequence<byte> Segmented(byte[] bytes, int size)
    {
        Segment? first = null, last = null;
        foreach (var chunk in bytes.Chunk(size))
        {
            last = last is null ? first = new Segment(chunk, 0) : last.Append(chunk);
        }

        return new ReadOnlySequence<byte>(first!, 0, last!, last!.Memory.Length);
    }

    private sealed class Segment : ReadOnlySequenceSegment<byte>
    {
        public Segment(byte[] bytes, long index)
        {
            Memory = bytes;
            RunningIndex = index;
        }

        public Segment Append(byte[] bytes)
        {
            var next = new Segment(bytes, RunningIndex + Memory.Length);
            Next = next;
            return next;
        }
    }
}
