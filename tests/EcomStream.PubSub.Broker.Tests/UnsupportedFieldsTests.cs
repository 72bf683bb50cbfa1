using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>Fields that are set and not supported are rejected by name, or kept and returned with --lenient.</summary>
public sealed class UnsupportedFieldsTests : IDisposable
{
    private static readonly byte[] _unknownField = [0xFA, 0x06, 0x02, 0x68, 0x69]; // field 111, "hi"

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_field_that_the_definitions_lack_is_rejected_by_number_and_message()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        var topic = Topic.Parser.ParseFrom([.. new Topic { Name = "projects/p/topics/odd" }.ToByteArray(), .. _unknownField]);
        await ShouldNameAsync(client.Publisher.CreateTopicAsync(topic), "field 111 of google.pubsub.v1.Topic");

        var policy = RetryPolicy.Parser.ParseFrom(_unknownField);
        await ShouldNameAsync(
            client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = "projects/p/subscriptions/odd", Topic = BrokerClient.Topic, RetryPolicy = policy }),
            "field 111 of google.pubsub.v1.RetryPolicy");

        await ShouldNameAsync(client.Publisher.ListTopicsAsync(ListTopicsRequest.Parser.ParseFrom([.. new ListTopicsRequest { Project = "projects/p" }.ToByteArray(), .. _unknownField])),
            "field 111 of google.pubsub.v1.ListTopicsRequest");
        (await client.Publisher.ListTopicsAsync(new ListTopicsRequest { Project = "projects/p" })).Topics.ShouldHaveSingleItem();
    }

    [Fact]
    public async Task Fields_that_the_definitions_name_without_support_are_rejected_by_name()
    {
        await using var client = await BrokerClient.StartReadyAsync(_folder.Path);
        await ShouldNameAsync(
            client.Publisher.CreateTopicAsync(new Topic { Name = "projects/p/topics/odd", KmsKeyName = "key", Tags = { ["a"] = "b" }, MessageStoragePolicy = new() }),
            "message_storage_policy, kms_key_name, tags");
        await ShouldNameAsync(
            Subscribe(client, s => s.PushConfig = new PushConfig { PushEndpoint = "https://shop.example", Attributes = { ["x-goog-version"] = "v1beta1" } }), "x-goog-version");
        await ShouldNameAsync(Subscribe(client, s => s.CloudStorageConfig = new()), "cloud_storage_config");
        await Subscribe(client, s => s.PushConfig = new PushConfig());
    }

    [Fact]
    public async Task A_lenient_broker_keeps_and_returns_them_also_after_a_restart_and_an_update()
    {
        var topic = Topic.Parser.ParseFrom([.. new Topic { Name = "projects/p/topics/odd", KmsKeyName = "key" }.ToByteArray(), .. _unknownField]);
        var bigQuery = BigQueryConfig.Parser.ParseFrom(new byte[] { 0x0A, 0x01, 0x74 }); // table = "t"
        await using (var client = await StartLenientAsync())
        {
            await client.Publisher.CreateTopicAsync(new Topic { Name = BrokerClient.Topic });
            (await client.Publisher.CreateTopicAsync(topic)).KmsKeyName.ShouldBe("key");
            (await Subscribe(client, s => s.BigqueryConfig = bigQuery)).BigqueryConfig.ShouldBe(bigQuery);
            await client.Subscriber.UpdateSubscriptionAsync(new UpdateSubscriptionRequest
            {
                Subscription = new Subscription { Name = "projects/p/subscriptions/odd", AckDeadlineSeconds = 33 }, UpdateMask = new() { Paths = { "ack_deadline_seconds" } },
            });
        }

        await using var again = await StartLenientAsync();
        var read = await again.Publisher.GetTopicAsync(new GetTopicRequest { Topic = topic.Name });
        read.KmsKeyName.ShouldBe("key");
        read.ToByteString().Span.IndexOf(_unknownField).ShouldBeGreaterThan(0);
        var subscription = (await again.Subscriber.ListSubscriptionsAsync(new ListSubscriptionsRequest { Project = "projects/p" })).Subscriptions.Single();
        (subscription.AckDeadlineSeconds, subscription.BigqueryConfig).ShouldBe((33, bigQuery));
    }

    private Task<BrokerClient> StartLenientAsync() => BrokerClient.StartAsync(_folder.Path, o => o with { Lenient = true });

    private static async Task<Subscription> Subscribe(BrokerClient client, Action<Subscription> settings)
    {
        var subscription = new Subscription { Name = "projects/p/subscriptions/odd", Topic = BrokerClient.Topic };
        settings(subscription);
        return await client.Subscriber.CreateSubscriptionAsync(subscription);
    }

    private static async Task ShouldNameAsync<T>(AsyncUnaryCall<T> call, string fields) => await ShouldNameAsync(call.ResponseAsync, fields);

    private static async Task ShouldNameAsync(Task call, string fields)
    {
        var refused = await Should.ThrowAsync<RpcException>(call);
        refused.StatusCode.ShouldBe(StatusCode.Unimplemented);
        refused.Status.Detail.ShouldContain(fields);
    }
}
