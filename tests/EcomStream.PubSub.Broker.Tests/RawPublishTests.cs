using System.Buffers;
using System.Text;
using CsCheck;
using EcomStream.PubSub.Broker.Publishing;
using EcomStream.PubSub.Broker.Storage;
using EcomStream.PubSub.Protocol;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>What is published and answered without objects is what the generated classes would have let through and written.</summary>
public sealed class RawPublishTests
{
    // Around each limit, in bytes of UTF-8.
    private static readonly Gen<string> Keys = AnyOf(
        "k", "k", "k", "k2", "", "goog", "googx", "googclient_t", new('k', 256), new('k', 257), new('ü', 128), new('ü', 129));

    private static readonly Gen<string> Values = AnyOf("", "v", "v", new('v', 1_024), new('v', 1_025), new('ü', 512), new('ü', 513));

    private static readonly Gen<PubsubMessage> Messages = Gen.Select(
        Gen.Byte.Array[0, 3],
        Gen.Dictionary(Keys, Values)[0, 2],
        AnyOf("", "", "", "", "a", "b", new('a', 1_024), new('a', 1_025)),
        AnyOf("", "", "", "", "", "mine"),
        (data, attributes, orderingKey, id) => new PubsubMessage
        {
            Data = ByteString.CopyFrom(data), Attributes = { attributes }, OrderingKey = orderingKey, MessageId = id,
        });

    private static readonly Gen<PublishRequest> Requests = Gen.Select(
        AnyOf("projects/p/topics/t", ""),
        Messages.List[0, 3],
        (topic, messages) => new PublishRequest { Topic = topic, Messages = { messages } });

    // Without large strings: the more of the bytes are structure, the more a change matters.
    private static readonly Gen<PublishRequest> Small = Requests.Where(request => request.CalculateSize() is > 0 and < 100);

    [Fact]
    public void A_request_is_published_by_its_bytes_when_it_may_be_and_has_nothing_that_the_broker_sets() => Requests.Sample(
        request => PublishRules.Allow(request.ToByteArray(), out _, out _)
            .ShouldBe(MayBePublished(request) && request.Messages.All(message => message.MessageId.Length == 0)),
        iter: 20_000);

    [Fact]
    public void Whatever_may_be_published_is_stored_as_the_generated_classes_understand_it_without_what_the_broker_sets()
    {
        var published = 0;
        Requests.Sample(
            request =>
            {
                if (!MayBePublished(request))
                {
                    return;
                }

                Interlocked.Increment(ref published);
                using var read = Read(request.ToByteArray());
                using var messages = read.TakeChecked();
                read.Topic.ShouldBe(request.Topic);
                messages.Count.ShouldBe(request.Messages.Count);
                Stored(messages).ShouldBe(request.Messages.Select(WithoutStamp));
            },
            iter: 30_000);
        published.ShouldBeGreaterThan(1_000);
    }

    [Fact]
    public void Bytes_that_are_changed_or_cut_anywhere_are_published_only_if_the_generated_classes_take_them() => Gen.Select(
        Small, Gen.Int[0, 99], Gen.Byte, Gen.Int[1, 100]).Sample(
        (request, at, value, length) =>
        {
            var bytes = request.ToByteArray();
            bytes[at % bytes.Length] = value;
            ShouldAgreeWithTheGeneratedClasses(bytes[..Math.Min(bytes.Length, length)]);
        },
        iter: 50_000);

    [Fact]
    public void Fields_that_stand_twice_are_what_the_generated_classes_make_of_them()
    {
        // What stands one after the other on the wire is merged: https://protobuf.dev/programming-guides/encoding#last-one-wins
        Gen.Select(Small, Small, Messages, Messages).Sample(
            (first, second, message, more) =>
            {
                byte[] merged = [.. message.ToByteArray(), .. more.ToByteArray()];
                ShouldAgreeWithTheGeneratedClasses([.. first.ToByteArray(), .. second.ToByteArray()]);
                ShouldAgreeWithTheGeneratedClasses(Request(merged));
            },
            iter: 20_000);
    }

    [Theory]
    [InlineData("0A 01 78 0A 01 79", false)] // data twice
    [InlineData("2A 01 61 0A 01 78 2A 01 61", false)] // the ordering key twice
    [InlineData("12 03 0A 01 6B", true)] // an attribute without its value
    [InlineData("12 06 12 01 76 0A 01 6B", false)] // the value before its key
    [InlineData("12 09 0A 01 6B 12 01 76 12 01 77", false)] // two values
    [InlineData("12 06 0A 01 6B 12 01 76 12 06 0A 01 6B 12 01 77", true)] // the same key twice
    [InlineData("8A 00 01 78", false)] // a tag that is longer than it need be
    [InlineData("0A 81 00 78", false)] // a length that is
    [InlineData("0A 01 78 78 01", false)] // a field that nobody knows
    [InlineData("0A 01 78 7B 7C", false)] // a group that nobody knows
    public void An_encoding_that_is_unusual_is_stored_as_the_generated_classes_understand_it(string message, bool byItsBytes)
    {
        var request = Request(Convert.FromHexString(message.Replace(" ", "")));

        PublishRules.Allow(request, out _, out _).ShouldBe(byItsBytes);
        using var read = Read(request);
        using var messages = read.TakeChecked();
        Stored(messages).ShouldBe(PublishRequest.Parser.ParseFrom(request).Messages);
    }

    [Fact]
    public void A_request_with_fields_that_nobody_knows_is_stored_without_them()
    {
        var message = new PubsubMessage { Data = ByteString.CopyFrom(1) };

        // Fields 15: a varint, and a group.
        using var read = Read([.. Request(message.ToByteArray()), 15 << 3, 1, (15 << 3) | 3, (15 << 3) | 4]);
        using var messages = read.TakeChecked();

        Stored(messages).ShouldBe([message]);
    }

    [Fact]
    public void More_attributes_or_messages_than_are_allowed_are_left_to_the_rules_that_say_so()
    {
        var attributes = new PubsubMessage { Attributes = { Enumerable.Range(0, 101).ToDictionary(n => $"key{n}", _ => "") } };
        var messages = Enumerable.Repeat(new PubsubMessage { Data = ByteString.CopyFrom(1) }, 1_001);

        PublishRules.Allow(new PublishRequest { Messages = { attributes } }.ToByteArray(), out _, out _).ShouldBeFalse();
        PublishRules.Allow(new PublishRequest { Messages = { messages } }.ToByteArray(), out _, out _).ShouldBeFalse();
        PublishRules.Allow(new PublishRequest { Messages = { messages.Skip(1) } }.ToByteArray(), out _, out _).ShouldBeTrue();
    }

    [Fact]
    public void The_answer_holds_the_ids_in_order()
    {
        PublishResponse.Parser.ParseFrom(new RawPublishResponse(first: 9, count: 3).Bytes).MessageIds.ShouldBe(["9", "10", "11"]);
        PublishResponse.Parser.ParseFrom(new RawPublishResponse(first: long.MaxValue - 1, count: 1).Bytes).MessageIds.ShouldBe([$"{long.MaxValue - 1}"]);
    }

    private static bool MayBePublished(PublishRequest request)
    {
        try
        {
            PublishRules.Check(request);
            return true;
        }
        catch (RpcException refused) when (refused.StatusCode == StatusCode.InvalidArgument)
        {
            return false;
        }
    }

    private static void ShouldAgreeWithTheGeneratedClasses(byte[] request)
    {
        if (!PublishRules.Allow(request, out var topic, out var count))
        {
            return;
        }

        var parsed = PublishRequest.Parser.ParseFrom(request);
        PublishRules.Check(parsed);
        parsed.Topic.ShouldBe(Encoding.UTF8.GetString(topic));
        parsed.Messages.Count.ShouldBe(count);
        using var read = Read(request);
        using var messages = read.TakeChecked();
        Stored(messages).ShouldBe(parsed.Messages);
    }

    private static PubsubMessage WithoutStamp(PubsubMessage message)
    {
        var rest = message.Clone();
        (rest.MessageId, rest.PublishTime) = ("", null);
        return rest;
    }

    // A request of one message.
    private static byte[] Request(byte[] message)
    {
        var bytes = new byte[ProtobufWire.LenSize(message.Length)];
        message.CopyTo(bytes, ProtobufWire.WriteLen(bytes, PublishRequest.MessagesFieldNumber, message.Length));
        return bytes;
    }

    private static RawPublishRequest Read(byte[] request) => RawPublishRequest.Read(new ReadOnlySequence<byte>(request));

    private static List<PubsubMessage> Stored(RawMessages messages)
    {
        var stored = new List<PubsubMessage>();
        foreach (var message in messages)
        {
            stored.Add(PubsubMessage.Parser.ParseFrom(message));
        }

        return stored;
    }

    private static Gen<string> AnyOf(params string[] texts) => Gen.Int[0, texts.Length - 1].Select(i => texts[i]);
}
