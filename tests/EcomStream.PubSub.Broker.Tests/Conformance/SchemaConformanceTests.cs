using System.Net;
using System.Text.Json;
using Google.Cloud.PubSub.V1;
using Google.Cloud.PubSub.V1.Schemas;
using Google.Protobuf;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>Schemas, and publishing to topics that have one.</summary>
public sealed class SchemaConformanceTests : ConformanceTest
{
    private const string Avro = """{"type":"record","name":"A","fields":[{"name":"s","type":"string"},{"name":"i","type":"int"}]}""";
    private const string AvroWithDefault = """{"type":"record","name":"A","fields":[{"name":"s","type":"string"},{"name":"i","type":"int"},{"name":"d","type":"string","default":""}]}""";
    private const string Protobuf = """syntax = "proto3"; message M { string s = 1; int32 i = 2; }""";

    [SkippableTheory]
    [OnBoth(References.Schemas)]
    public Task A_schema_is_created_read_and_deleted(ServerKind kind) => On(kind, async pubsub =>
    {
        var created = await CreateAsync(pubsub, Avro);
        created.Name.ShouldBe($"{pubsub.Project}/schemas/shop");
        created.RevisionId.Length.ShouldBe(8);

        (await pubsub.Schemas.GetSchemaAsync(new GetSchemaRequest { Name = created.Name })).Definition.ShouldBe(Avro);
        (await pubsub.Schemas.GetSchemaAsync(new GetSchemaRequest { Name = created.Name, View = SchemaView.Basic })).Definition.ShouldBeEmpty();
        (await pubsub.Schemas.ListSchemasAsync(new ListSchemasRequest { Parent = pubsub.Project })).Schemas.ShouldHaveSingleItem().Name.ShouldBe(created.Name);
        (await PubSubUnderTest.StatusOf(() => CreateAsync(pubsub, Avro))).ShouldBe(StatusCode.AlreadyExists);

        await pubsub.Schemas.DeleteSchemaAsync(new DeleteSchemaRequest { Name = created.Name });
        (await PubSubUnderTest.StatusOf(pubsub.Schemas.GetSchemaAsync(new GetSchemaRequest { Name = created.Name }))).ShouldBe(StatusCode.NotFound);
    });

    [SkippableTheory]
    [OnBoth(References.SchemaRpc, Emulator = "Definitions are listed without being asked for.")]
    public Task A_list_contains_definitions_only_in_the_full_view(ServerKind kind) => On(kind, async pubsub =>
    {
        var schema = await CreateAsync(pubsub, Avro);
        (await pubsub.Schemas.ListSchemasAsync(new ListSchemasRequest { Parent = pubsub.Project, View = SchemaView.Full })).Schemas[0].Definition.ShouldBe(Avro);
        (await pubsub.Schemas.ListSchemasAsync(new ListSchemasRequest { Parent = pubsub.Project })).Schemas[0].Definition.ShouldBeEmpty();
        (await pubsub.Schemas.ListSchemaRevisionsAsync(new ListSchemaRevisionsRequest { Name = schema.Name })).Schemas[0].Definition.ShouldBeEmpty();
    });

    [SkippableTheory]
    [OnBoth(References.Schemas)]
    public Task Invalid_definitions_and_names_are_rejected(ServerKind kind) => On(kind, async pubsub =>
    {
        (await PubSubUnderTest.StatusOf(() => CreateAsync(pubsub, """{"type":"rec"}"""))).ShouldBe(StatusCode.InvalidArgument);
        (await PubSubUnderTest.StatusOf(() => CreateAsync(pubsub, Avro, id: "x"))).ShouldBe(StatusCode.InvalidArgument);
        (await PubSubUnderTest.StatusOf(() => CreateAsync(pubsub, Avro, id: ""))).ShouldBe(StatusCode.InvalidArgument);
        (await PubSubUnderTest.StatusOf(pubsub.Schemas.ValidateSchemaAsync(new ValidateSchemaRequest { Parent = pubsub.Project, Schema = Of("{}") }))).ShouldBe(StatusCode.InvalidArgument);
        await pubsub.Schemas.ValidateSchemaAsync(new ValidateSchemaRequest { Parent = pubsub.Project, Schema = Of(Avro) });
    });

    [SkippableTheory]
    [OnBoth(References.SchemaRevisions)]
    public Task Revisions_are_committed_read_rolled_back_to_and_deleted(ServerKind kind) => On(kind, async pubsub =>
    {
        var first = await CreateAsync(pubsub, Avro);
        var second = await pubsub.Schemas.CommitSchemaAsync(new CommitSchemaRequest { Name = first.Name, Schema = Of(AvroWithDefault, first.Name) });
        second.RevisionId.ShouldNotBe(first.RevisionId);
        (await pubsub.Schemas.GetSchemaAsync(new GetSchemaRequest { Name = first.Name })).RevisionId.ShouldBe(second.RevisionId);
        (await pubsub.Schemas.GetSchemaAsync(new GetSchemaRequest { Name = $"{first.Name}@{first.RevisionId}" })).Definition.ShouldBe(Avro);

        var third = await pubsub.Schemas.RollbackSchemaAsync(new RollbackSchemaRequest { Name = first.Name, RevisionId = first.RevisionId });
        third.Definition.ShouldBe(Avro);
        third.RevisionId.ShouldNotBe(first.RevisionId);
        (await pubsub.Schemas.DeleteSchemaRevisionAsync(new DeleteSchemaRevisionRequest { Name = $"{first.Name}@{second.RevisionId}" })).RevisionId.ShouldBe(second.RevisionId);
        (await pubsub.Schemas.ListSchemaRevisionsAsync(new ListSchemaRevisionsRequest { Name = first.Name })).Schemas.Select(schema => schema.RevisionId)
            .ShouldBe([first.RevisionId, third.RevisionId], ignoreOrder: true);
        (await PubSubUnderTest.StatusOf(pubsub.Schemas.GetSchemaAsync(new GetSchemaRequest { Name = $"{first.Name}@{second.RevisionId}" }))).ShouldBe(StatusCode.NotFound);
        (await PubSubUnderTest.StatusOf(pubsub.Schemas.RollbackSchemaAsync(new RollbackSchemaRequest { Name = first.Name, RevisionId = "00000000" }))).ShouldBe(StatusCode.NotFound);
    });

    [SkippableTheory]
    [OnBoth(References.SchemaRevisions)]
    public Task The_last_revision_is_not_deleted(ServerKind kind) => On(kind, async pubsub =>
    {
        var schema = await CreateAsync(pubsub, Avro);
        (await PubSubUnderTest.StatusOf(pubsub.Schemas.DeleteSchemaRevisionAsync(new DeleteSchemaRevisionRequest { Name = $"{schema.Name}@{schema.RevisionId}" })))
            .ShouldBe(StatusCode.InvalidArgument);
    });

    [SkippableTheory]
    [OnBoth(References.SchemaRevisions, Emulator = "Any revision is accepted.")]
    public Task An_incompatible_revision_is_rejected(ServerKind kind) => On(kind, async pubsub =>
    {
        var schema = await CreateAsync(pubsub, Avro);
        var other = AvroWithDefault.Replace(",\"default\":\"\"", "", StringComparison.Ordinal);
        (await PubSubUnderTest.StatusOf(pubsub.Schemas.CommitSchemaAsync(new CommitSchemaRequest { Name = schema.Name, Schema = Of(other, schema.Name) })))
            .ShouldBe(StatusCode.InvalidArgument);
    });

    [SkippableTheory]
    [OnBoth(References.Schemas)]
    public Task A_message_is_validated_against_an_Avro_schema(ServerKind kind) => On(kind, async pubsub =>
    {
        const string Union = """{"type":"record","name":"A","fields":[{"name":"u","type":["null","string",{"type":"record","name":"N","namespace":"a.b","fields":[]}]}]}""";
        var valid = new (string, Encoding, byte[])[]
        {
            (Avro, Encoding.Json, """{"s":"x","i":1}"""u8.ToArray()),
            (Avro, Encoding.Json, """{"i":1,"s":"x"}"""u8.ToArray()),
            (Avro, Encoding.Binary, [2, (byte)'x', 2]),
            (Union, Encoding.Json, """{"u":{"string":"x"}}"""u8.ToArray()),
            (Union, Encoding.Json, """{"u":null}"""u8.ToArray()),
            (Union, Encoding.Json, """{"u":{"a.b.N":{}}}"""u8.ToArray()),
        };
        foreach (var (schema, encoding, message) in valid)
        {
            await pubsub.Schemas.ValidateMessageAsync(Validate(pubsub, Of(schema), encoding, message));
        }

        var invalid = new (string, Encoding, byte[])[]
        {
            (Avro, Encoding.Json, """{"s":"x"}"""u8.ToArray()),
            (AvroWithDefault, Encoding.Json, """{"s":"x","i":1}"""u8.ToArray()),
            (Avro, Encoding.Json, "no JSON"u8.ToArray()),
            (Avro, Encoding.Binary, [2, (byte)'x']),
            (Union, Encoding.Json, """{"u":"x"}"""u8.ToArray()),
            (Union, Encoding.Json, """{"u":{"N":{}}}"""u8.ToArray()),
        };
        foreach (var (schema, encoding, message) in invalid)
        {
            (await PubSubUnderTest.StatusOf(pubsub.Schemas.ValidateMessageAsync(Validate(pubsub, Of(schema), encoding, message))))
                .ShouldBe(StatusCode.InvalidArgument, System.Text.Encoding.UTF8.GetString(message));
        }
    });

    [SkippableTheory]
    [OnBoth(References.Schemas, Emulator = "Schemas in protocol buffers are UNIMPLEMENTED.")]
    public Task A_message_is_validated_against_a_schema_in_protocol_buffers(ServerKind kind) => On(kind, async pubsub =>
    {
        var schema = await CreateAsync(pubsub, Protobuf, type: Schema.Types.Type.ProtocolBuffer);
        var request = Validate(pubsub, null, Encoding.Json, """{"s":"x","i":1}"""u8.ToArray());
        request.Name = schema.Name;
        await pubsub.Schemas.ValidateMessageAsync(request);
        request.Message = ByteString.CopyFromUtf8("""{"s":1}""");
        (await PubSubUnderTest.StatusOf(pubsub.Schemas.ValidateMessageAsync(request))).ShouldBe(StatusCode.InvalidArgument);
    });

    [SkippableTheory]
    [OnBoth(References.Schemas)]
    public Task A_topic_takes_messages_that_conform_and_adds_the_attributes_of_the_schema(ServerKind kind) => On(kind, async pubsub =>
    {
        var schema = await CreateAsync(pubsub, Avro);
        await CreateTopicAsync(pubsub, schema.Name);
        await pubsub.SubscribeAsync("orders-sub");

        await pubsub.PublishAsync("""{"s":"x","i":1}""");
        (await PubSubUnderTest.StatusOf(() => pubsub.PublishAsync("""{"s":"x","i":1}""", """{"s":"x"}"""))).ShouldBe(StatusCode.InvalidArgument);

        var message = (await pubsub.PullExactlyAsync(1))[0].Message;
        message.Data.ToStringUtf8().ShouldBe("""{"s":"x","i":1}""");
        message.Attributes["googclient_schemaname"].ShouldBe(schema.Name);
        message.Attributes["googclient_schemaencoding"].ShouldBe("JSON");
        message.Attributes["googclient_schemarevisionid"].ShouldBe(schema.RevisionId);
    });

    [SkippableTheory]
    [OnBoth(References.SchemaTopics)]
    public Task A_topic_names_a_schema_and_revisions_that_exist_and_an_encoding(ServerKind kind) => On(kind, async pubsub =>
    {
        var schema = await CreateAsync(pubsub, Avro);
        (await PubSubUnderTest.StatusOf(() => CreateTopicAsync(pubsub, $"{pubsub.Project}/schemas/missing"))).ShouldBe(StatusCode.NotFound);
        (await PubSubUnderTest.StatusOf(() => CreateTopicAsync(pubsub, schema.Name, first: "00000000"))).ShouldBe(StatusCode.NotFound);
        (await PubSubUnderTest.StatusOf(() => CreateTopicAsync(pubsub, schema.Name, Encoding.Unspecified))).ShouldBe(StatusCode.InvalidArgument);
        (await CreateTopicAsync(pubsub, schema.Name, first: schema.RevisionId)).SchemaSettings.FirstRevisionId.ShouldBe(schema.RevisionId);
    });

    [SkippableTheory]
    [OnBoth(References.SchemaTopics)]
    public Task Only_the_revisions_of_the_range_count(ServerKind kind) => On(kind, async pubsub =>
    {
        var first = await CreateAsync(pubsub, Avro);
        await CreateTopicAsync(pubsub, first.Name, first: first.RevisionId, last: first.RevisionId);
        await pubsub.SubscribeAsync("orders-sub");
        await pubsub.Schemas.CommitSchemaAsync(new CommitSchemaRequest { Name = first.Name, Schema = Of(AvroWithDefault, first.Name) });

        await pubsub.PublishAsync("""{"s":"x","i":1,"d":""}""");

        (await pubsub.PullExactlyAsync(1))[0].Message.Attributes["googclient_schemarevisionid"].ShouldBe(first.RevisionId);
    });

    [SkippableTheory]
    [OnBoth(References.SchemaRpc)]
    public Task A_schema_that_is_deleted_leaves_its_mark_in_the_topic_which_takes_no_more_messages(ServerKind kind) => On(kind, async pubsub =>
    {
        var schema = await CreateAsync(pubsub, Avro);
        await CreateTopicAsync(pubsub, schema.Name);
        await pubsub.Schemas.DeleteSchemaAsync(new DeleteSchemaRequest { Name = schema.Name });

        (await pubsub.Publisher.GetTopicAsync(new GetTopicRequest { Topic = pubsub.Topic })).SchemaSettings.Schema.ShouldBe("_deleted-schema_");
        (await PubSubUnderTest.StatusOf(() => pubsub.PublishAsync("""{"s":"x","i":1}"""))).ShouldBe(StatusCode.NotFound);
    });

    [SkippableTheory]
    [OnBoth(References.Rest)]
    public Task Schemas_are_managed_over_REST(ServerKind kind) => On(kind, async pubsub =>
    {
        var schema = JsonSerializer.Serialize(new { type = "AVRO", definition = Avro });
        var created = await pubsub.Rest.CallAsync("POST", $"/v1/{pubsub.Project}/schemas?schemaId=shop", schema);
        created.GetProperty("name").GetString().ShouldBe($"{pubsub.Project}/schemas/shop");
        (await pubsub.Rest.CallAsync("GET", $"/v1/{pubsub.Project}/schemas")).GetProperty("schemas").GetArrayLength().ShouldBe(1);
        (await pubsub.Rest.CallAsync("POST", $"/v1/{pubsub.Project}/schemas/shop:commit", $$"""{"schema":{{schema}}}""")).GetProperty("revisionId").GetString().ShouldNotBeNull();
        (await pubsub.Rest.CallAsync("GET", $"/v1/{pubsub.Project}/schemas/shop:listRevisions")).GetProperty("schemas").GetArrayLength().ShouldBe(2);
        (await pubsub.Rest.CallAsync("POST", $"/v1/{pubsub.Project}/schemas:validate", $$"""{"schema":{{schema}}}""")).EnumerateObject().ShouldBeEmpty();
        var invalid = await pubsub.Rest.SendAsync("POST", $"/v1/{pubsub.Project}/schemas:validateMessage", $$"""{"schema":{{schema}},"encoding":"JSON","message":"e30="}""");
        invalid.Status.ShouldBe(HttpStatusCode.BadRequest);
        await pubsub.Rest.CallAsync("DELETE", $"/v1/{pubsub.Project}/schemas/shop");
    });

    private static Schema Of(string definition, string name = "", Schema.Types.Type type = Schema.Types.Type.Avro) =>
        new() { Name = name, Type = type, Definition = definition };

    private static async Task<Schema> CreateAsync(
        PubSubUnderTest pubsub, string definition, string id = "shop", Schema.Types.Type type = Schema.Types.Type.Avro) =>
        await pubsub.Schemas.CreateSchemaAsync(new CreateSchemaRequest { Parent = pubsub.Project, SchemaId = id, Schema = Of(definition, type: type) });

    private static async Task<Topic> CreateTopicAsync(PubSubUnderTest pubsub, string schema, Encoding encoding = Encoding.Json, string first = "", string last = "") =>
        await pubsub.Publisher.CreateTopicAsync(new Topic
        {
            Name = pubsub.Topic,
            SchemaSettings = new SchemaSettings { Schema = schema, Encoding = encoding, FirstRevisionId = first, LastRevisionId = last },
        });

    private static ValidateMessageRequest Validate(PubSubUnderTest pubsub, Schema? schema, Encoding encoding, byte[] message)
    {
        var request = new ValidateMessageRequest { Parent = pubsub.Project, Encoding = encoding, Message = ByteString.CopyFrom(message) };
        if (schema is not null)
        {
            request.Schema = schema;
        }

        return request;
    }
}
