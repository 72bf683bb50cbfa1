using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>The filter language of subscriptions.</summary>
public sealed class FilterConformanceTests : ConformanceTest
{
    private static readonly (string Name, (string Key, string Value)[] Attributes)[] Messages =
    [
        ("none", []),
        ("eu", [("region", "eu"), ("kind", "order")]),
        ("us", [("region", "us")]),
        ("us-west", [("region", "us-west"), ("kind", "order")]),
        ("odd", [("my key", "a \"quoted\" value")]),
    ];

    [SkippableTheory]
    [OnBoth(References.Filters, Emulator = "Filters are kept and not applied.")]
    public Task Only_messages_that_match_the_filter_are_delivered(ServerKind kind) => On(kind, async pubsub =>
    {
        (string Filter, string[] Expected)[] cases =
        [
            ("attributes:region", ["eu", "us", "us-west"]),
            ("attributes.region = \"us\"", ["us"]),
            ("attributes.region != \"us\"", ["none", "eu", "us-west", "odd"]),
            ("hasPrefix(attributes.region, \"us\")", ["us", "us-west"]),
            ("NOT attributes:region", ["none", "odd"]),
            ("-attributes:region", ["none", "odd"]),
            ("attributes:region AND attributes.kind = \"order\"", ["eu", "us-west"]),
            ("attributes.region = \"eu\" OR attributes.region = \"us\"", ["eu", "us"]),
            ("attributes:kind AND (attributes.region = \"eu\" OR NOT attributes:region)", ["eu"]),
            ("attributes:\"my key\"", ["odd"]),
            ("attributes.\"my key\" = \"a \\\"quoted\\\" value\"", ["odd"]),
        ];
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.Topic });
        for (var n = 0; n < cases.Length; n++)
        {
            await pubsub.SubscribeAsync($"filtered{n}", s => s.Filter = cases[n].Filter);
        }

        await pubsub.PublishAsync([.. Messages.Select(entry =>
        {
            var message = new PubsubMessage { Data = ByteString.CopyFromUtf8(entry.Name) };
            message.Attributes.Add(entry.Attributes.ToDictionary(a => a.Key, a => a.Value));
            return message;
        })]);
        for (var n = 0; n < cases.Length; n++)
        {
            var received = await pubsub.PullExactlyAsync(cases[n].Expected.Length, pubsub.NameOfSubscription($"filtered{n}"));
            received.Select(Text).Order().ShouldBe(cases[n].Expected.Order(), cases[n].Filter);
            (await pubsub.PullAsync(1_000, pubsub.NameOfSubscription($"filtered{n}"))).ShouldBeEmpty(cases[n].Filter);
        }
    });

    [SkippableTheory]
    [OnBoth(References.Filters, Emulator = "Any text is accepted as a filter.")]
    public Task Invalid_filters_are_rejected(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.Topic });
        foreach (var filter in (string[])
            [
                "region", "attributes", "attributes.region", "attributes.region = us", "attributes.region = \"us", "attributes:region AND",
                "attributes.region < \"us\"", "(attributes:region", "hasPrefix(attributes.region)",
            ])
        {
            (await StatusOf(() => pubsub.SubscribeAsync("filtered", s => s.Filter = filter))).ShouldBe(StatusCode.InvalidArgument, filter);
        }
    });

    [SkippableTheory]
    [OnBoth(References.Filters, Emulator = "Any text is accepted as a filter.")]
    public Task Mixing_AND_and_OR_requires_parentheses(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.Topic });
        (await StatusOf(() => pubsub.SubscribeAsync("filtered", s => s.Filter = "attributes:a AND attributes:b OR attributes:c")))
            .ShouldBe(StatusCode.InvalidArgument);
    });

    [SkippableTheory]
    [OnBoth(References.Filters, Emulator = "Any length is accepted.")]
    public Task A_filter_has_at_most_256_bytes(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.Publisher.CreateTopicAsync(new Topic { Name = pubsub.Topic });
        var longest = $"attributes:{new string('a', 256 - "attributes:".Length)}";
        (await StatusOf(() => pubsub.SubscribeAsync("longer", s => s.Filter = longest + "a"))).ShouldBe(StatusCode.InvalidArgument);
        (await StatusOf(() => pubsub.SubscribeAsync("longest", s => s.Filter = longest))).ShouldBe(StatusCode.OK);
    });
}
