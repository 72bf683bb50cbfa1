using System.Globalization;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Commands.Watching;

/// <summary>The lines of <c>ecomstream top</c> on a terminal.</summary>
internal static class FlowScreen
{
    private const int NameWidth = 16;
    private const int FigureWidth = 12;

    /// <summary>The state of a host in lines, each cut to the width; control characters are escaped.</summary>
    /// <param name="flow">The last answer; null before the first one.</param>
    /// <param name="address">The host that is asked.</param>
    /// <param name="failure">Why the host does not answer now; null while it does.</param>
    /// <param name="width">Characters of a line.</param>
    /// <param name="height">Lines; what does not fit is left out at the end.</param>
    public static IReadOnlyList<string> Lines(FlowView? flow, string address, string? failure, int width, int height) =>
        [.. All(flow, address, failure).Select(line => Printable.Escape(line)).Select(line => Cut(line, width)).Take(Math.Max(1, height))];

    private static IEnumerable<string> All(FlowView? flow, string address, string? failure)
    {
        var time = flow is null ? "" : $"  {flow.At.UtcDateTime.ToString("yyyy-MM-dd HH:mm:ss", CultureInfo.InvariantCulture)} UTC";
        yield return $"ecomstream at {address}: {(failure is null ? flow?.Status ?? "starting" : "no answer")}{time}  (q quits)";
        if (failure is not null)
        {
            yield return failure;
        }

        if (flow is null)
        {
            yield break;
        }

        foreach (var problem in flow.Problems)
        {
            yield return $"problem: {problem}";
        }

        yield return "";
        yield return Row("", "received", "rows", "payments", "dead");
        yield return Row("per second", Whole(flow.Received), Whole(flow.Written), Whole(flow.Joined), FlowView.Text(flow.DeadLettered, "0.#"));
        yield return Row("since the start", Whole(flow.Totals.Received), Whole(flow.Totals.Written), Whole(flow.Totals.Joined), Whole(flow.Totals.DeadLettered));
        yield return "";
        var names = Math.Max(NameWidth, flow.Subscriptions.Select(subscription => subscription.Name.Length).DefaultIfEmpty().Max());
        yield return $"{"subscription".PadRight(names)}{"in flight",FigureWidth}{"backlog",FigureWidth}{"oldest",FigureWidth}";
        foreach (var subscription in flow.Subscriptions)
        {
            yield return $"{subscription.Name.PadRight(names)}{Whole(subscription.Outstanding),FigureWidth}{Whole(subscription.Backlog),FigureWidth}"
                + $"{Seconds(subscription.BacklogAge),FigureWidth}{(subscription.IsFull ? "  full" : subscription.IsReading ? "" : "  not reading")}";
        }

        yield return "";
        yield return Line("watermark", flow.Watermark is null ? "unknown" : $"{flow.Watermark}, {Seconds(flow.WatermarkLag)} behind");
        if (flow.WatermarkHold is { } hold)
        {
            yield return Line("", $"held: {hold}");
        }

        yield return Line("waiting orders", $"{Whole(flow.WaitingOrders)}; {Whole(flow.Totals.Healed)} payments healed since the start");
        yield return Line("publish to row", $"p50 {Milliseconds(flow.Latency.P50)}, p99 {Milliseconds(flow.Latency.P99)}");
        yield return Line("broker", flow.Broker);
        yield return Line("store", flow.Store);
    }

    private static string Row(string name, params string[] figures) => name.PadRight(NameWidth) + string.Concat(figures.Select(figure => figure.PadLeft(FigureWidth)));

    private static string Line(string name, string value) => name.PadRight(NameWidth) + value;

    private static string Whole(double? number) => FlowView.Text(number, "#,0");

    private static string Seconds(double? seconds) => seconds is null ? FlowView.Text(null) : $"{FlowView.Text(seconds, "#,0.#")} s";

    private static string Milliseconds(double? time) => time is null ? FlowView.Text(null) : $"{FlowView.Text(time, "#,0.#")} ms";

    private static string Cut(string line, int width) => line.Length <= width ? line : string.Concat(line.AsSpan(0, Math.Max(1, width) - 1), "…");
}
