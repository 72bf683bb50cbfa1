namespace EcomStream.PubSub;

/// <summary>Splits deliveries into requests that the service takes.</summary>
internal static class AckIdRequests
{
    // The service takes requests of up to 512 KiB (https://cloud.google.com/pubsub/quotas); the rest is for the
    // subscription's name.
    private const int MaxBytes = 500_000;

    // Tag and length of each id in the request.
    private const int BytesPerId = 4;

    /// <summary>Splits at <paramref name="maxCount"/> ids and at the service's limit of bytes.</summary>
    public static IEnumerable<ArraySegment<PubSubDelivery>> Split(PubSubDelivery[] deliveries, int maxCount)
    {
        var start = 0;
        var bytes = 0;
        for (var i = 0; i < deliveries.Length; i++)
        {
            var size = deliveries[i].AckId.Length + BytesPerId;
            if (i > start && (i - start >= maxCount || bytes + size > MaxBytes))
            {
                yield return new ArraySegment<PubSubDelivery>(deliveries, start, i - start);
                start = i;
                bytes = 0;
            }

            bytes += size;
        }

        if (start < deliveries.Length)
        {
            yield return new ArraySegment<PubSubDelivery>(deliveries, start, deliveries.Length - start);
        }
    }
}
