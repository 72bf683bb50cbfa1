using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>Names messages in log messages.</summary>
internal static class MessageNames
{
    private const int Most = 20;

    /// <summary>The ids and publish times of the first messages, and how many there are besides.</summary>
    public static string Of(IReadOnlyCollection<PubSubDelivery> deliveries) =>
        string.Join(", ", deliveries.Take(Most).Select(delivery => $"{delivery.MessageId} (published {Timestamps.Rfc3339(delivery.PublishTimeMicros)})"))
        + (deliveries.Count > Most ? $" and {deliveries.Count - Most} more" : "");
}
