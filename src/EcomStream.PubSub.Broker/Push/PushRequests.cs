using System.Buffers;
using System.Globalization;
using System.Net.Http.Headers;
using System.Text.Json;
using EcomStream.PubSub.Broker.Resources;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker.Push;

/// <summary>
/// The HTTP request that pushes a message: wrapped in JSON (https://cloud.google.com/pubsub/docs/push#receive_push), or its
/// data alone (https://cloud.google.com/pubsub/docs/payload-unwrapping).
/// </summary>
internal static class PushRequests
{
    private const string Prefix = "x-goog-pubsub-";

    // What describes the request itself is not for a message to say.
    private static readonly HashSet<string> _reserved = new(StringComparer.OrdinalIgnoreCase)
    {
        "Authorization", "Connection", "Content-Length", "Expect", "Host", "TE", "Trailer", "Transfer-Encoding", "Upgrade",
    };

    public static HttpRequestMessage Create(string subscription, PushSettings settings, ReceivedMessage received)
    {
        var request = new HttpRequestMessage(HttpMethod.Post, settings.Endpoint);
        request.Headers.UserAgent.ParseAdd("EcomStream-Broker");
        if (!settings.IsUnwrapped)
        {
            request.Content = new ByteArrayContent(Wrapped(subscription, received));
            request.Content.Headers.ContentType = new MediaTypeHeaderValue("application/json");
            return request;
        }

        request.Content = new ByteArrayContent(received.Message.Data.ToByteArray());
        if (settings.WritesMetadata)
        {
            AddMetadata(request, subscription, received.Message);
        }

        return request;
    }

    private static byte[] Wrapped(string subscription, ReceivedMessage received)
    {
        var message = received.Message;
        var buffer = new ArrayBufferWriter<byte>(message.Data.Length * 2 + 512);
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartObject("message");
            if (message.Attributes.Count > 0)
            {
                json.WriteStartObject("attributes");
                foreach (var (name, value) in message.Attributes)
                {
                    json.WriteString(name, value);
                }

                json.WriteEndObject();
            }

            if (message.Data.Length > 0)
            {
                json.WriteBase64String("data", message.Data.Span);
            }

            // The service sends both spellings.
            var time = Time(message);
            json.WriteString("messageId", message.MessageId);
            json.WriteString("message_id", message.MessageId);
            if (message.OrderingKey.Length > 0)
            {
                json.WriteString("orderingKey", message.OrderingKey);
            }

            json.WriteString("publishTime", time);
            json.WriteString("publish_time", time);
            json.WriteEndObject();
            json.WriteString("subscription", subscription);
            if (received.DeliveryAttempt > 0)
            {
                json.WriteNumber("deliveryAttempt", received.DeliveryAttempt);
            }

            json.WriteEndObject();
        }

        return buffer.WrittenSpan.ToArray();
    }

    private static void AddMetadata(HttpRequestMessage request, string subscription, PubsubMessage message)
    {
        Add(request, Prefix + "subscription-name", subscription);
        Add(request, Prefix + "message-id", message.MessageId);
        Add(request, Prefix + "publish-time", Time(message));
        if (message.OrderingKey.Length > 0)
        {
            Add(request, Prefix + "ordering-key", message.OrderingKey);
        }

        foreach (var (name, value) in message.Attributes)
        {
            if (!name.StartsWith(Prefix, StringComparison.OrdinalIgnoreCase) && !_reserved.Contains(name))
            {
                Add(request, name, value);
            }
        }
    }

    // What cannot stand in a header is left out.
    private static void Add(HttpRequestMessage request, string name, string value)
    {
        if (value.All(c => c is >= ' ' and < (char)127) && !request.Headers.TryAddWithoutValidation(name, value))
        {
            request.Content!.Headers.TryAddWithoutValidation(name, value);
        }
    }

    private static string Time(PubsubMessage message) =>
        message.PublishTime.ToDateTimeOffset().ToString("yyyy-MM-dd'T'HH:mm:ss.FFFFFF'Z'", CultureInfo.InvariantCulture);
}
