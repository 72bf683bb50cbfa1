using System.Globalization;
using System.Text.Json;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands.Watching;

/// <summary>A subscription of a running host.</summary>
/// <param name="Name">Its id.</param>
/// <param name="IsReading">Whether the host reads it now.</param>
/// <param name="Outstanding">Messages received and not settled yet.</param>
/// <param name="IsFull">Whether the host waits for room.</param>
/// <param name="Backlog">Messages not delivered yet; null where the broker does not say.</param>
/// <param name="BacklogAge">Age of the oldest message not acked, in seconds; null where the broker does not say.</param>
internal sealed record SubscriptionView(string Name, bool IsReading, long Outstanding, bool IsFull, long? Backlog, double? BacklogAge);

/// <summary>The state of a running host, as <c>/api/flow</c> reports it. Rates are per second, of about the last second.</summary>
internal sealed record FlowView
{
    private const string Unknown = "-";

    /// <summary>The headings of <see cref="Cells"/>.</summary>
    public static readonly string[] Columns =
    [
        "time (UTC)", "status", "received/s", "written/s", "dead/s", "p99 ms", "in flight", "backlog", "oldest s", "behind s", "waiting", "problems",
    ];

    public required DateTimeOffset At { get; init; }

    /// <summary>ready, degraded, not-ready or starting.</summary>
    public required string Status { get; init; }

    public required IReadOnlyList<string> Problems { get; init; }

    public required IReadOnlyList<SubscriptionView> Subscriptions { get; init; }

    public required double? Received { get; init; }

    public required double? Written { get; init; }

    public required double? Joined { get; init; }

    public required double? DeadLettered { get; init; }

    /// <summary>Median and 99th percentile of the time from publishing to the row, in milliseconds.</summary>
    public required (double? P50, double? P99) Latency { get; init; }

    /// <summary>Counts since the start.</summary>
    public required (long Received, long Written, long Joined, long DeadLettered, long Healed) Totals { get; init; }

    public required long WaitingOrders { get; init; }

    /// <summary>The time before which all orders have been received; null while it is unknown.</summary>
    public required string? Watermark { get; init; }

    /// <summary>How far the watermark is behind now, in seconds.</summary>
    public required double? WatermarkLag { get; init; }

    /// <summary>What holds the watermark; null for nothing.</summary>
    public required string? WatermarkHold { get; init; }

    public required string Store { get; init; }

    public required string Broker { get; init; }

    /// <summary>Messages in flight of all subscriptions.</summary>
    public long Outstanding => Subscriptions.Sum(subscription => subscription.Outstanding);

    /// <summary>Undelivered messages of all subscriptions; null where the broker does not say.</summary>
    public long? Backlog => Subscriptions.Any(subscription => subscription.Backlog is not null) ? Subscriptions.Sum(subscription => subscription.Backlog ?? 0) : null;

    /// <summary>Age of the oldest message not acked, in seconds.</summary>
    public double? BacklogAge => Subscriptions.Max(subscription => subscription.BacklogAge);

    /// <summary>Reads an answer of <c>/api/flow</c>.</summary>
    /// <exception cref="CommandFailedException">It is not one.</exception>
    public static FlowView Parse(JsonElement flow, string address)
    {
        try
        {
            var (totals, watermark, now) = (flow.GetProperty("totals"), flow.GetProperty("watermark"), Optional(flow, "now"));
            return new FlowView
            {
                At = flow.GetProperty("at").GetDateTimeOffset(),
                Status = flow.GetProperty("status").GetString()!,
                Problems =
                [
                    .. flow.GetProperty("problems").EnumerateArray().Select(problem =>
                        $"{problem.GetProperty("name").GetString()} ({problem.GetProperty("state").GetString()}): {problem.GetProperty("reason").GetString()}"),
                ],
                Subscriptions =
                [
                    .. flow.GetProperty("subscriptions").EnumerateArray().Select(subscription => new SubscriptionView(
                        subscription.GetProperty("name").GetString()!,
                        subscription.GetProperty("reading").GetBoolean(),
                        subscription.GetProperty("outstanding").GetInt64(),
                        subscription.GetProperty("full").GetBoolean(),
                        Optional(subscription, "backlog")?.GetInt64(),
                        Number(subscription, "backlogAge"))),
                ],
                Received = Number(now, "received"),
                Written = Number(now, "written"),
                Joined = Number(now, "joined"),
                DeadLettered = Number(now, "deadLettered"),
                Latency = (Number(now, "p50"), Number(now, "p99")),
                Totals = (Total("received"), Total("written"), Total("joined"), Total("deadLettered"), Total("healed")),
                WaitingOrders = flow.GetProperty("waitingOrders").GetInt64(),
                Watermark = Optional(watermark, "at")?.GetString(),
                WatermarkLag = Number(watermark, "lag"),
                WatermarkHold = Optional(watermark, "hold")?.GetString(),
                Store = flow.GetProperty("store").GetProperty("name").GetString()!,
                Broker = flow.GetProperty("broker").GetString()!,
            };

            long Total(string name) => totals.GetProperty(name).GetInt64();
        }
        catch (Exception wrong) when (wrong is KeyNotFoundException or InvalidOperationException or FormatException)
        {
            throw new CommandFailedException($"The server at {address} is not an EcomStream host of this version: {wrong.Message}");
        }
    }

    /// <summary>One row of a table.</summary>
    public string[] Cells() =>
    [
        At.UtcDateTime.ToString("HH:mm:ss", CultureInfo.InvariantCulture), Status, Text(Received), Text(Written), Text(DeadLettered, "0.#"), Text(Latency.P99),
        Text(Outstanding), Text(Backlog), Text(BacklogAge), Text(WatermarkLag, "0.#"), Text(WaitingOrders), string.Join("; ", Problems),
    ];

    /// <summary>A number as it is printed; - for one that is not known.</summary>
    public static string Text(double? number, string format = "0") => number is { } known ? known.ToString(format, CultureInfo.InvariantCulture) : Unknown;

    private static double? Number(JsonElement? of, string name) => of is { } element ? Optional(element, name)?.GetDouble() : null;

    private static JsonElement? Optional(JsonElement of, string name) =>
        of.TryGetProperty(name, out var value) && value.ValueKind != JsonValueKind.Null ? value : null;
}
