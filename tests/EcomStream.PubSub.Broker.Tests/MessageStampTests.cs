using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>What the broker gives each message.</summary>
public sealed class MessageStampTests
{
    [Theory]
    [InlineData(0, 0)]
    [InlineData(8, 1_700_000_000_999_999)]
    [InlineData(9, 1_700_000_000_000_000)]
    [InlineData(long.MaxValue - 1, long.MaxValue)]
    public void A_message_is_stamped_with_its_id_and_its_publish_time(long offset, long micros)
    {
        var stamp = new byte[MessageStamp.LongestBytes];

        var length = MessageStamp.Write(stamp, offset + 1, micros);

        var message = PubsubMessage.Parser.ParseFrom(stamp.AsSpan(0, length));
        message.MessageId.ShouldBe($"{offset + 1}");
        message.PublishTime.ShouldBe(new Timestamp { Seconds = micros / 1_000_000, Nanos = (int)(micros % 1_000_000) * 1_000 });
    }
}
