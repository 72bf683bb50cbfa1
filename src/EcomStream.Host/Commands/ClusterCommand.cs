using System.CommandLine;
using System.Globalization;
using System.Text.Json;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream cluster status</c>: the nodes of a cluster and their shards, as one of the nodes reports them.</summary>
internal static class ClusterCommand
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RatePeriod = TimeSpan.FromSeconds(1);

    public static Command Create(CommandContext context) => new("cluster", "Show a cluster of EcomStream processes") { Status(context) };

    private static Command Status(CommandContext context)
    {
        var common = new CommonOptions(context);
        var node = HostEndpoint.Option();
        var command = new Command("status", "Show members, shards for each node, rates, hand-overs and unreachable nodes") { node };
        common.AddTo(command);
        return command.Runs(context, async (result, stop) =>
        {
            using var host = HostEndpoint.Of(result.GetValue(node), common.Read(result).Operations, Timeout);
            var before = await ReadAsync(host, stop);
            if (before.Nodes.Count == 0)
            {
                throw new NotFoundException($"The process at {host.Address} is not a node of a cluster: it runs without ecomstream.cluster.enabled = on.");
            }

            await Task.Delay(RatePeriod, stop);
            var now = await ReadAsync(host, stop);
            var table = new TextTable(context, ["node", "state", "shards", "messages/s", "in flight", "hand-overs", "orders received until"]);
            foreach (var member in now.Nodes)
            {
                // A shard that has moved here within the period counts with all of its messages: they are few.
                var earlier = before.Nodes.FirstOrDefault(other => other.Address == member.Address)?.Messages ?? 0;
                table.Add(
                    member.Address + (member.Address == now.Self ? " (answers)" : ""),
                    member.IsUnreachable ? "unreachable" : member.State,
                    Text(member.Shards),
                    Text(Math.Max(0, member.Messages - earlier)),
                    Text(member.Outstanding),
                    Text(member.ShardsStarted),
                    member.Watermark ?? "unknown");
            }

            table.End();
            var running = now.Nodes.Where(member => !member.IsUnreachable).Sum(member => member.Shards);
            await context.Out.WriteLineAsync($"{Text(running)} of {Text(now.Shards)} shards run on {Text(now.Nodes.Count)} nodes.");
            return running == now.Shards && now.Nodes.All(member => !member.IsUnreachable) ? Exit.Ok : Exit.Differences;
        });
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);

    private static async Task<ClusterView> ReadAsync(HostEndpoint host, CancellationToken stop)
    {
        var answer = await host.GetAsync("/api/cluster", stop);
        try
        {
            return ClusterView.Parse(answer);
        }
        catch (Exception wrong) when (wrong is KeyNotFoundException or InvalidOperationException)
        {
            throw new CommandFailedException($"The server at {host.Address} is not an EcomStream host of this version: {wrong.Message}");
        }
    }

    private sealed record NodeView(string Address, string State, bool IsUnreachable, int Shards, long Messages, long ShardsStarted, int Outstanding, string? Watermark);

    private sealed record ClusterView(string Self, int Shards, IReadOnlyList<NodeView> Nodes)
    {
        public static ClusterView Parse(JsonElement root)
        {
            var nodes = root.GetProperty("nodes").EnumerateArray().Select(node => new NodeView(
                node.GetProperty("address").GetString()!,
                node.GetProperty("state").GetString()!,
                node.GetProperty("unreachable").GetBoolean(),
                node.GetProperty("shards").GetArrayLength(),
                node.GetProperty("shards").EnumerateArray().Sum(shard => shard.GetProperty("messages").GetInt64()),
                node.GetProperty("shardsStarted").GetInt64(),
                node.GetProperty("outstanding").GetInt32(),
                node.TryGetProperty("watermark", out var watermark) ? watermark.GetString() : null)).ToList();
            return nodes.Count == 0
                ? new ClusterView("", 0, [])
                : new ClusterView(root.GetProperty("self").GetString()!, root.GetProperty("shards").GetInt32(), nodes);
        }
    }
}
