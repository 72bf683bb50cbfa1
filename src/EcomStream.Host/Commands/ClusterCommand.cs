using System.CommandLine;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands;

/// <summary><c>ecomstream cluster status</c>: the nodes of a cluster and their shards, as one of the nodes reports them.</summary>
internal static class ClusterCommand
{
    private static readonly TimeSpan Timeout = TimeSpan.FromSeconds(10);
    private static readonly TimeSpan RatePeriod = TimeSpan.FromSeconds(1);

    public static Command Create(CommandContext context) => new("cluster", "Look at a cluster of EcomStream processes") { Status(context) };

    private static Command Status(CommandContext context)
    {
        var common = new CommonOptions(context);
        var node = new Option<string?>("--node") { Description = "HTTP endpoint of any node, as its --http; ecomstream.http.address when left out", HelpName = "host:port" };
        var command = new Command("status", "Show members, shards for each node, rates, hand-overs and unreachable nodes") { node };
        common.AddTo(command);
        return command.Runs(context, async (result, stop) =>
        {
            var settings = common.Read(result);
            var address = result.GetValue(node) ?? settings.Operations.HttpAddress;
            if (address.Length == 0)
            {
                throw new UsageException("Which node? Give the HTTP endpoint of one with --node, such as --node 127.0.0.1:9090. It must have been started with --http.");
            }

            using var http = new HttpClient { Timeout = Timeout };
            if (settings.Operations.HttpToken.Length > 0)
            {
                http.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", settings.Operations.HttpToken);
            }

            var before = await ReadAsync(http, address, stop);
            if (before.Nodes.Count == 0)
            {
                throw new NotFoundException($"The process at {address} is not a node of a cluster: it runs without ecomstream.cluster.enabled = on.");
            }

            await Task.Delay(RatePeriod, stop);
            var now = await ReadAsync(http, address, stop);
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

    private static async Task<ClusterView> ReadAsync(HttpClient http, string address, CancellationToken stop)
    {
        try
        {
            using var response = await http.GetAsync($"http://{address}/api/cluster", stop);
            var body = await response.Content.ReadAsStringAsync(stop);
            return response.IsSuccessStatusCode
                ? ClusterView.Parse(body)
                : throw new CommandFailedException(
                    $"{address} answered {(int)response.StatusCode}. {(response.StatusCode == System.Net.HttpStatusCode.Unauthorized ? "Set ecomstream.http.token to the token of the node." : body)}");
        }
        catch (Exception error) when (error is HttpRequestException or JsonException or KeyNotFoundException or UriFormatException
            || (error is TaskCanceledException && !stop.IsCancellationRequested))
        {
            throw new CommandFailedException($"No node answers at {address}: {error.Message}");
        }
    }

    private sealed record NodeView(string Address, string State, bool IsUnreachable, int Shards, long Messages, long ShardsStarted, int Outstanding, string? Watermark);

    private sealed record ClusterView(string Self, int Shards, IReadOnlyList<NodeView> Nodes)
    {
        public static ClusterView Parse(string json)
        {
            using var document = JsonDocument.Parse(json);
            var root = document.RootElement;
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
