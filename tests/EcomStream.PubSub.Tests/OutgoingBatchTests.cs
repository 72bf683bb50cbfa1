using System.Buffers;
using CsCheck;
using EcomStream.Core;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Tests;

/// <summary>The generated classes read what a batch writes.</summary>
public sealed class OutgoingBatchTests
{
    // Of one to four bytes of UTF-8 a character; as long as needs two bytes of length, and three.
    private static readonly Gen<string> Texts = AnyOf("", "a", "ü", "€", "😀", new('a', 127), new('a', 128), new('ü', 8_192));

    private static readonly Gen<OutgoingMessage> Messages = Gen.Select(
        Gen.OneOf(Gen.Byte.Array[0, 5], Gen.Byte.Array[127, 128], Gen.Byte.Array[16_383, 16_384]),
        Gen.Dictionary(Texts, Texts)[0, 3],
        Texts,
        (data, attributes, key) => new OutgoingMessage(data, attributes, key));

    [Trait("Speed", "Slow")]
    [Fact]
    public void Every_field_of_every_message_is_written_and_the_size_is_known_before() => Gen.Select(Texts, Messages.Array[0, 4]).Sample(
        (topic, messages) =>
        {
            var batch = new OutgoingBatch(topic, messages);
            var bytes = new ArrayBufferWriter<byte>();

            batch.WriteTo(bytes);

            bytes.WrittenCount.ShouldBe(batch.Bytes);
            var request = PublishRequest.Parser.ParseFrom(bytes.WrittenSpan);
            request.Topic.ShouldBe(topic);
            request.Messages.Select(message => message.Data.ToByteArray()).ShouldBe(messages.Select(message => message.Data.ToArray()));
            request.Messages.Select(message => message.OrderingKey).ShouldBe(messages.Select(message => message.OrderingKey));
            foreach (var (written, message) in request.Messages.Zip(messages))
            {
                written.Attributes.ShouldBe(message.Attributes, ignoreOrder: true);
            }
        },
        iter: 1_000);

    [Fact]
    public void A_message_takes_a_tag_and_a_length_and_what_it_has()
    {
        var topic = new OutgoingBatch("t", []).Bytes;
        new OutgoingBatch("t", [new OutgoingMessage(default, Delivery.NoAttributes)]).Bytes.ShouldBe(topic + 2);
        new OutgoingBatch("t", [new OutgoingMessage(new byte[3], Delivery.NoAttributes)]).Bytes.ShouldBe(topic + 2 + 2 + 3);
    }

    [Fact]
    public void What_the_caller_does_to_the_attributes_later_changes_nothing_of_a_request_that_may_be_sent_again()
    {
        var attributes = new Dictionary<string, string> { ["origin"] = "test" };
        var batch = new OutgoingBatch("t", [new OutgoingMessage(default, attributes)]);
        attributes["origin"] = "something else";
        var bytes = new ArrayBufferWriter<byte>();

        batch.WriteTo(bytes);

        PublishRequest.Parser.ParseFrom(bytes.WrittenSpan).Messages.ShouldHaveSingleItem().Attributes["origin"].ShouldBe("test");
    }

    private static Gen<string> AnyOf(params string[] texts) => Gen.Int[0, texts.Length - 1].Select(i => texts[i]);
}
