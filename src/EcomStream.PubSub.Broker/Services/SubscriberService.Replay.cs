using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Fields;
using EcomStream.PubSub.Broker.Resources;
using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>Snapshots and seek.</summary>
internal sealed partial class SubscriberService
{
    public override async Task<Snapshot> CreateSnapshot(CreateSnapshotRequest request, ServerCallContext context)
    {
        // "If the name is not provided in the request, the server will assign a random name".
        var name = request.Name.Length > 0
            ? request.Name
            : ResourceNames.Random(request.Subscription, "snapshot");
        ServiceCalls.CheckName("snapshot", name);
        var snapshot = state.CreateSnapshot(name, request.Subscription, FieldRules.Labels(request.Labels));
        await durability.WrittenAsync();
        return SnapshotFields.ToProto(snapshot);
    }

    public override Task<Snapshot> GetSnapshot(GetSnapshotRequest request, ServerCallContext context) =>
        Task.FromResult(SnapshotFields.ToProto(state.Snapshot(request.Snapshot)));

    public override Task<ListSnapshotsResponse> ListSnapshots(ListSnapshotsRequest request, ServerCallContext context)
    {
        ServiceCalls.CheckProject(request.Project);
        var (page, next) = Paging.Page(
            state.Snapshots.Where(s => s.Name.StartsWith(request.Project + "/", StringComparison.Ordinal)),
            s => s.Name, request.PageSize, request.PageToken);
        return Task.FromResult(new ListSnapshotsResponse { Snapshots = { page.Select(SnapshotFields.ToProto) }, NextPageToken = next });
    }

    public override async Task<Snapshot> UpdateSnapshot(UpdateSnapshotRequest request, ServerCallContext context)
    {
        var snapshot = state.UpdateSnapshot(
            request.Snapshot?.Name ?? "", current => SnapshotFields.Updated(current, request, state.Time.GetUtcNow()));
        await durability.WrittenAsync();
        return SnapshotFields.ToProto(snapshot);
    }

    public override async Task<Empty> DeleteSnapshot(DeleteSnapshotRequest request, ServerCallContext context)
    {
        state.DeleteSnapshot(request.Snapshot);
        await durability.WrittenAsync();
        return new Empty();
    }

    public override async Task<SeekResponse> Seek(SeekRequest request, ServerCallContext context)
    {
        durability.Check();
        switch (request.TargetCase)
        {
            case SeekRequest.TargetOneofCase.Time:
                state.Seek(request.Subscription, FieldRules.Time("time", request.Time));
                break;
            case SeekRequest.TargetOneofCase.Snapshot:
                state.Seek(request.Subscription, request.Snapshot);
                break;
            default:
                throw ServiceCalls.Invalid("A seek must name a time or a snapshot.");
        }

        await durability.WrittenAsync();
        return new SeekResponse();
    }
}
