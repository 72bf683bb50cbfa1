using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Fields;
using EcomStream.PubSub.Broker.Schemas;
using EcomStream.PubSub.Broker.State;
using Google.Cloud.PubSub.V1.Schemas;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;
using Service = Google.Cloud.PubSub.V1.Schemas.SchemaService;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>google.pubsub.v1.SchemaService.</summary>
[BindServiceMethod(typeof(SchemaBinding), nameof(SchemaBinding.BindService))]
internal sealed class SchemasService(BrokerState state, Durability durability) : Service.SchemaServiceBase
{
    public override async Task<Schema> CreateSchema(CreateSchemaRequest request, ServerCallContext context)
    {
        ServiceCalls.CheckProject(request.Parent);
        var name = $"{request.Parent}/schemas/{request.SchemaId}";
        ServiceCalls.CheckName("schema", name);
        SchemaFields.Definition(request.Schema);
        var schema = state.CreateSchema(name, request.Schema.Type, request.Schema.Definition);
        await durability.WrittenAsync();
        return SchemaFields.ToProto(schema, schema.Latest, withDefinition: true);
    }

    public override Task<Schema> GetSchema(GetSchemaRequest request, ServerCallContext context)
    {
        var (name, revisionId) = Split(request.Name);
        var schema = state.Schema(name);
        var revision = revisionId is null
            ? schema.Latest
            : schema.Revision(revisionId) ?? throw new RpcException(new Status(StatusCode.NotFound, $"Resource not found: the schema revision {request.Name} does not exist."));
        return Task.FromResult(SchemaFields.ToProto(schema, revision, withDefinition: request.View != SchemaView.Basic));
    }

    public override Task<ListSchemasResponse> ListSchemas(ListSchemasRequest request, ServerCallContext context)
    {
        ServiceCalls.CheckProject(request.Parent);
        var (page, next) = Paging.Page(
            state.Schemas.Where(schema => schema.Entry.Name.StartsWith(request.Parent + "/", StringComparison.Ordinal)),
            schema => schema.Entry.Name, request.PageSize, request.PageToken);
        return Task.FromResult(new ListSchemasResponse
        {
            Schemas = { page.Select(schema => SchemaFields.ToProto(schema, schema.Latest, request.View == SchemaView.Full)) },
            NextPageToken = next,
        });
    }

    /// <summary>The revisions, oldest first.</summary>
    public override Task<ListSchemaRevisionsResponse> ListSchemaRevisions(ListSchemaRevisionsRequest request, ServerCallContext context)
    {
        var schema = state.Schema(request.Name);
        var (page, next) = Paging.Page(
            schema.Entry.Revisions.Select((revision, index) => (Revision: revision, Name: $"{index:d4}")), item => item.Name, request.PageSize, request.PageToken);
        return Task.FromResult(new ListSchemaRevisionsResponse
        {
            Schemas = { page.Select(item => SchemaFields.ToProto(schema, item.Revision, request.View == SchemaView.Full)) },
            NextPageToken = next,
        });
    }

    public override async Task<Schema> CommitSchema(CommitSchemaRequest request, ServerCallContext context)
    {
        var definition = SchemaFields.Definition(request.Schema);
        var schema = state.AddRevision(request.Name, current =>
        {
            if (definition.Incompatibility(current.Parsed(current.Latest)) is { } reason)
            {
                throw ServiceCalls.Invalid($"The definition cannot follow revision {current.Latest.Id} of {request.Name}: {reason}.");
            }

            return request.Schema.Definition;
        });
        await durability.WrittenAsync();
        return SchemaFields.ToProto(schema, schema.Latest, withDefinition: true);
    }

    /// <summary>"Creates a new schema revision that is a copy of the provided revision_id."</summary>
    public override async Task<Schema> RollbackSchema(RollbackSchemaRequest request, ServerCallContext context)
    {
        var schema = state.AddRevision(request.Name, current => current.Revision(request.RevisionId)?.Definition
            ?? throw new RpcException(new Status(StatusCode.NotFound, $"Resource not found: the schema revision {request.Name}@{request.RevisionId} does not exist.")));
        await durability.WrittenAsync();
        return SchemaFields.ToProto(schema, schema.Latest, withDefinition: true);
    }

    public override async Task<Schema> DeleteSchemaRevision(DeleteSchemaRevisionRequest request, ServerCallContext context)
    {
        var (name, revisionId) = Split(request.Name);
#pragma warning disable CS0612 // deprecated in the service too, and still sent by clients
        revisionId ??= request.RevisionId;
#pragma warning restore CS0612
        if (revisionId.Length == 0)
        {
            throw ServiceCalls.Invalid($"'{request.Name}' does not name a revision: the form is projects/PROJECT/schemas/SCHEMA@REVISION.");
        }

        var schema = state.Schema(name);
        var revision = state.DeleteRevision(name, revisionId);
        await durability.WrittenAsync();
        return SchemaFields.ToProto(schema, revision, withDefinition: true);
    }

    public override async Task<Empty> DeleteSchema(DeleteSchemaRequest request, ServerCallContext context)
    {
        state.DeleteSchema(request.Name);
        await durability.WrittenAsync();
        return new Empty();
    }

    public override Task<ValidateSchemaResponse> ValidateSchema(ValidateSchemaRequest request, ServerCallContext context)
    {
        ServiceCalls.CheckProject(request.Parent);
        SchemaFields.Definition(request.Schema);
        return Task.FromResult(new ValidateSchemaResponse());
    }

    public override Task<ValidateMessageResponse> ValidateMessage(ValidateMessageRequest request, ServerCallContext context)
    {
        ServiceCalls.CheckProject(request.Parent);
        SchemaFields.CheckEncoding("encoding", request.Encoding);
        try
        {
            Definition(request).Check(request.Message.Memory, request.Encoding);
            return Task.FromResult(new ValidateMessageResponse());
        }
        catch (FormatException wrong)
        {
            throw ServiceCalls.Invalid($"The message does not conform to the schema: {wrong.Message}.");
        }
    }

    private SchemaDefinition Definition(ValidateMessageRequest request)
    {
        if (request.SchemaSpecCase != ValidateMessageRequest.SchemaSpecOneofCase.Name)
        {
            return SchemaFields.Definition(request.Schema);
        }

        var (name, revisionId) = Split(request.Name);
        var schema = state.Schema(name);
        var revision = revisionId is null ? schema.Latest : schema.Revision(revisionId);
        return schema.Parsed(revision ?? throw new RpcException(new Status(StatusCode.NotFound, $"Resource not found: the schema revision {request.Name} does not exist.")));
    }

    // projects/P/schemas/S or projects/P/schemas/S@REVISION
    private static (string Name, string? Revision) Split(string name) =>
        name.IndexOf('@', StringComparison.Ordinal) is >= 0 and var at ? (name[..at], name[(at + 1)..]) : (name, null);
}

/// <summary>Binds the SchemaService as generated, with the errors of <see cref="AllBut"/>.</summary>
internal static class SchemaBinding
{
    public static void BindService(ServiceBinderBase binder, Service.SchemaServiceBase? service) => Service.BindService(new AllBut(binder, ""), service!);
}
