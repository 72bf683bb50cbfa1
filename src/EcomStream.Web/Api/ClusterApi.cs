using EcomStream.Cluster;
using EcomStream.Hosting;
using Microsoft.AspNetCore.Builder;
using Microsoft.AspNetCore.Http;
using Microsoft.AspNetCore.Routing;

namespace EcomStream.Web;

/// <summary>The cluster as this node sees it.</summary>
internal sealed class ClusterApi(PipelineService service)
{
    /// <summary>Maps its endpoint. Its answer has no nodes where the process is not a node of a cluster.</summary>
    public void Map(IEndpointRouteBuilder endpoints) => endpoints.MapGet("/api/cluster", () =>
        service.PipelineOrNull is not { } pipeline ? Answers.Wrong("The pipeline has not started yet.", StatusCodes.Status503ServiceUnavailable)
        : Answers.Ok(ClusterStatus.Of(pipeline) is not { } status
            ? new { nodes = Array.Empty<object>() }
            : new
            {
                self = status.Self,
                shards = status.AllShards,
                nodes = status.Nodes.Select(node => new
                {
                    address = node.Address,
                    state = node.State,
                    unreachable = node.IsUnreachable,
                    shards = node.Shards.Select(shard => new { shard = shard.Shard, messages = shard.Messages }),
                    shardsStarted = node.ShardsStarted,
                    outstanding = node.Outstanding,
                    watermark = node.WatermarkMicros is { } micros ? Answers.Time(micros) : null,
                }),
            }));
}
