using Google.Cloud.PubSub.V1;
using Google.Cloud.PubSub.V1.Schemas;
using Google.Protobuf;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Grpc.Net.Client;

namespace EcomStream.PubSub.Broker.Tests.Schemas;

/// <summary>Schemas of the broker: durable, limited, and kept to by topics whose settings change.</summary>
public sealed class SchemaTests : IDisposable
{
    private const string Name = "projects/p/schemas/shop";
    private const string First = """syntax = "proto3"; message M { string s = 1; }""";
    private const string Second = """syntax = "proto3"; message M { string s = 1; int32 i = 2; }""";

    private readonly TemporaryFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Schemas_revisions_and_the_settings_of_topics_outlive_a_restart()
    {
        Schema second;
        await using (var client = await BrokerClient.StartAsync(_folder.Path))
        {
            var schemas = Schemas(client);
            var first = await CreateAsync(schemas);
            second = await schemas.CommitSchemaAsync(new CommitSchemaRequest { Name = Name, Schema = Of(Second) });
            await client.Publisher.CreateTopicAsync(Topic(first: first.RevisionId));
            await schemas.CreateSchemaAsync(new CreateSchemaRequest { Parent = "projects/p", SchemaId = "gone", Schema = Of(First) });
            await schemas.DeleteSchemaAsync(new DeleteSchemaRequest { Name = "projects/p/schemas/gone" });
        }

        for (var restart = 0; restart < 2; restart++)
        {
            await using var client = await BrokerClient.StartAsync(_folder.Path);
            var schemas = Schemas(client);
            (await schemas.ListSchemasAsync(new ListSchemasRequest { Parent = "projects/p" })).Schemas.ShouldHaveSingleItem();
            (await schemas.GetSchemaAsync(new GetSchemaRequest { Name = Name })).ShouldBe(second);
            (await schemas.ListSchemaRevisionsAsync(new ListSchemaRevisionsRequest { Name = Name })).Schemas.Count.ShouldBe(2);
            (await client.Publisher.GetTopicAsync(new GetTopicRequest { Topic = BrokerClient.Topic })).SchemaSettings.Encoding.ShouldBe(Encoding.Json);
            (await StatusOfPublishAsync(client, """{"i":1}""")).ShouldBe(StatusCode.OK);
            (await StatusOfPublishAsync(client, """{"i":"x"}""")).ShouldBe(StatusCode.InvalidArgument);
        }
    }

    [Fact]
    public async Task The_newest_revision_that_a_message_conforms_to_is_named()
    {
        await using var client = await BrokerClient.StartAsync(_folder.Path);
        var schemas = Schemas(client);
        await CreateAsync(schemas);
        var second = await schemas.CommitSchemaAsync(new CommitSchemaRequest { Name = Name, Schema = Of(Second) });
        await client.Publisher.CreateTopicAsync(Topic());
        await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = BrokerClient.Subscription, Topic = BrokerClient.Topic });

        await client.PublishAsync("""{"s":"x"}""");

        (await client.PullAsync())[0].Message.Attributes["googclient_schemarevisionid"].ShouldBe(second.RevisionId);
    }

    [Fact]
    public async Task The_error_names_the_message_and_the_field()
    {
        await using var client = await BrokerClient.StartAsync(_folder.Path);
        await CreateAsync(Schemas(client));
        await client.Publisher.CreateTopicAsync(Topic());

        var error = await Should.ThrowAsync<RpcException>(() => client.PublishAsync("""{"s":"x"}""", """{"s":7}"""));

        error.StatusCode.ShouldBe(StatusCode.InvalidArgument);
        error.Status.Detail.ShouldContain("Message 2 of 2");
        error.Status.Detail.ShouldContain("the message.s must be a string");
        client.Broker.GetSubscriptionStats(BrokerClient.Subscription).ShouldBeNull();
    }

    [Fact]
    public async Task A_topic_can_be_given_another_schema_and_none()
    {
        await using var client = await BrokerClient.StartAsync(_folder.Path);
        var schemas = Schemas(client);
        await CreateAsync(schemas);
        await client.Publisher.CreateTopicAsync(Topic());
        (await StatusOfPublishAsync(client, "text")).ShouldBe(StatusCode.InvalidArgument);

        await client.Publisher.UpdateTopicAsync(new UpdateTopicRequest
        {
            Topic = new Topic { Name = BrokerClient.Topic, SchemaSettings = new SchemaSettings { Schema = Name, Encoding = Encoding.Binary } },
            UpdateMask = new FieldMask { Paths = { "schema_settings" } },
        });
        (await StatusOfPublishAsync(client, "\n\u0001x")).ShouldBe(StatusCode.OK);

        await client.Publisher.UpdateTopicAsync(new UpdateTopicRequest
        {
            Topic = new Topic { Name = BrokerClient.Topic }, UpdateMask = new FieldMask { Paths = { "schema_settings" } },
        });
        (await StatusOfPublishAsync(client, "text")).ShouldBe(StatusCode.OK);
    }

    [Fact]
    public async Task A_topic_of_a_deleted_schema_does_not_take_a_new_one_of_the_same_name()
    {
        await using var client = await BrokerClient.StartAsync(_folder.Path);
        var schemas = Schemas(client);
        await CreateAsync(schemas);
        await client.Publisher.CreateTopicAsync(Topic());
        await schemas.DeleteSchemaAsync(new DeleteSchemaRequest { Name = Name });
        await CreateAsync(schemas);

        (await StatusOfPublishAsync(client, """{"s":"x"}""")).ShouldBe(StatusCode.NotFound);
        var topic = await client.Publisher.UpdateTopicAsync(new UpdateTopicRequest
        {
            Topic = new Topic { Name = BrokerClient.Topic, Labels = { ["a"] = "b" } }, UpdateMask = new FieldMask { Paths = { "labels" } },
        });
        topic.SchemaSettings.Schema.ShouldBe("_deleted-schema_");
    }

    [Fact]
    public async Task A_schema_has_at_most_20_revisions_and_300_KB()
    {
        await using var client = await BrokerClient.StartAsync(_folder.Path);
        var schemas = Schemas(client);
        await CreateAsync(schemas);
        for (var revision = 2; revision <= 20; revision++)
        {
            await schemas.CommitSchemaAsync(new CommitSchemaRequest { Name = Name, Schema = Of(First) });
        }

        (await StatusOf(schemas.CommitSchemaAsync(new CommitSchemaRequest { Name = Name, Schema = Of(First) }))).ShouldBe(StatusCode.FailedPrecondition);
        (await StatusOf(schemas.ValidateSchemaAsync(new ValidateSchemaRequest { Parent = "projects/p", Schema = Of(First + new string(' ', 300_000)) })))
            .ShouldBe(StatusCode.InvalidArgument);
        var page = await schemas.ListSchemaRevisionsAsync(new ListSchemaRevisionsRequest { Name = Name, PageSize = 15 });
        page.Schemas.Count.ShouldBe(15);
        (await schemas.ListSchemaRevisionsAsync(new ListSchemaRevisionsRequest { Name = Name, PageToken = page.NextPageToken })).Schemas.Count.ShouldBe(5);
    }

    [Fact]
    public async Task An_undeliverable_message_that_does_not_conform_to_the_schema_of_the_dead_letter_topic_is_delivered_again()
    {
        const string Dead = "projects/p/topics/dead";
        const string DeadSubscription = "projects/p/subscriptions/dead-sub";
        await using var client = await BrokerClient.StartAsync("", o => o with { InMemory = true });
        var schema = await CreateAsync(Schemas(client));
        var deadTopic = Topic();
        deadTopic.Name = Dead;
        await client.Publisher.CreateTopicAsync(deadTopic);
        await client.Publisher.CreateTopicAsync(new Topic { Name = BrokerClient.Topic });
        await client.Subscriber.CreateSubscriptionAsync(new Subscription { Name = DeadSubscription, Topic = Dead });
        await client.Subscriber.CreateSubscriptionAsync(new Subscription
        {
            Name = BrokerClient.Subscription, Topic = BrokerClient.Topic, DeadLetterPolicy = new DeadLetterPolicy { DeadLetterTopic = Dead, MaxDeliveryAttempts = 5 },
        });
        await client.PublishAsync("""{"s":"a"}""", "text", """{"s":"b"}""");

        for (var attempt = 1; attempt <= 5; attempt++)
        {
            var pulled = await client.PullAsync();
            pulled.Count.ShouldBe(3);
            await client.ModifyAsync(pulled, 0);
        }

        client.Broker.AdvanceTime(TimeSpan.FromSeconds(1));

        (await client.PullAsync()).Select(BrokerClient.Text).ShouldBe(["text"]);
        var forwarded = (await client.Subscriber.PullAsync(new PullRequest { Subscription = DeadSubscription, MaxMessages = 10 })).ReceivedMessages;
        forwarded.Select(BrokerClient.Text).ShouldBe(["""{"s":"a"}""", """{"s":"b"}"""]);
        forwarded.ShouldAllBe(message => message.Message.Attributes["googclient_schemarevisionid"] == schema.RevisionId);
        forwarded.ShouldAllBe(message => message.Message.Attributes["CloudPubSubDeadLetterSourceDeliveryCount"] == "5");
    }

    private static SchemaService.SchemaServiceClient Schemas(BrokerClient client) =>
        new(GrpcChannel.ForAddress($"http://{client.Broker.Endpoint}"));

    private static Schema Of(string definition) => new() { Name = Name, Type = Schema.Types.Type.ProtocolBuffer, Definition = definition };

    private static Topic Topic(string first = "") => new()
    {
        Name = BrokerClient.Topic,
        SchemaSettings = new SchemaSettings { Schema = Name, Encoding = Encoding.Json, FirstRevisionId = first },
    };

    private static async Task<Schema> CreateAsync(SchemaService.SchemaServiceClient schemas) =>
        await schemas.CreateSchemaAsync(new CreateSchemaRequest { Parent = "projects/p", SchemaId = "shop", Schema = Of(First) });

    private static Task<StatusCode> StatusOfPublishAsync(BrokerClient client, string text) => StatusOf(client.Publisher.PublishAsync(
        new PublishRequest { Topic = BrokerClient.Topic, Messages = { new PubsubMessage { Data = ByteString.CopyFromUtf8(text) } } }));

    private static async Task<StatusCode> StatusOf<T>(AsyncUnaryCall<T> call)
    {
        try
        {
            await call;
            return StatusCode.OK;
        }
        catch (RpcException error)
        {
            return error.StatusCode;
        }
    }
}
