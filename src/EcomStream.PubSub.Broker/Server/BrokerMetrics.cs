using System.Globalization;
using System.Text;
using EcomStream.PubSub.Broker.State;
using Microsoft.AspNetCore.Http;

namespace EcomStream.PubSub.Broker.Server;

/// <summary>
/// GET /metrics: what the broker holds, in the text format of Prometheus
/// (https://prometheus.io/docs/instrumenting/exposition_formats). The values are read when they are asked for.
/// </summary>
internal sealed class BrokerMetrics(BrokerState state, BrokerHealth health)
{
    public Task AnswerAsync(HttpContext http)
    {
        http.Response.ContentType = "text/plain; version=0.0.4; charset=utf-8";
        return http.Response.WriteAsync(Text(), http.RequestAborted);
    }

    private string Text()
    {
        var text = new StringBuilder();
        Family(text, "ecomstream_broker_up", "gauge", "1 while the broker takes requests and can make them durable, otherwise 0.");
        Sample(text, "ecomstream_broker_up", "", health.Problem is null ? 1 : 0);

        var topics = state.Topics.OrderBy(topic => topic.Name, StringComparer.Ordinal).ToList();
        Family(text, "ecomstream_broker_topic_messages_total", "counter", "Messages published to a topic, those that are deleted included.");
        foreach (var topic in topics)
        {
            Sample(text, "ecomstream_broker_topic_messages_total", Label("topic", topic.Name), topic.Log.EndOffset);
        }

        var subscriptions = state.Subscriptions.OrderBy(subscription => subscription.Name, StringComparer.Ordinal)
            .Select(subscription => (Label: Label("subscription", subscription.Name), subscription.Stats)).ToList();
        Write("ecomstream_broker_subscription_backlog", "gauge", "Messages of a subscription that are not acked, leased ones included.", stats => stats.Backlog);
        Write("ecomstream_broker_subscription_leased", "gauge", "Messages of a subscription that are leased to readers.", stats => stats.Outstanding);
        Write("ecomstream_broker_subscription_redelivered_total", "counter", "Deliveries after the first, since the broker was started.", stats => stats.Redelivered);
        return text.ToString();

        void Write(string name, string type, string help, Func<SubscriptionStats, long> value)
        {
            Family(text, name, type, help);
            foreach (var (label, stats) in subscriptions)
            {
                Sample(text, name, label, value(stats));
            }
        }
    }

    private static void Family(StringBuilder text, string name, string type, string help) =>
        text.Append(CultureInfo.InvariantCulture, $"# HELP {name} {help}\n# TYPE {name} {type}\n");

    private static void Sample(StringBuilder text, string name, string label, long value) =>
        text.Append(CultureInfo.InvariantCulture, $"{name}{label} {value}\n");

    // Names of resources have nothing to escape but for the project's.
    private static string Label(string name, string value) =>
        $"{{{name}=\"{value.Replace("\\", "\\\\", StringComparison.Ordinal).Replace("\"", "\\\"", StringComparison.Ordinal).Replace("\n", "\\n", StringComparison.Ordinal)}\"}}";
}
