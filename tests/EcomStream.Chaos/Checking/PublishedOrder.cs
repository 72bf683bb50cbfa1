using System.Text.Json;

namespace EcomStream.Chaos.Checking;

/// <summary>What the broker has of one order: the newest order message, when the first one was published, and its payments.</summary>
internal sealed class PublishedOrder
{
    /// <summary>When the first order message was published, microseconds since the Unix epoch; null for never.</summary>
    public long? FirstOrderMicros { get; private set; }

    /// <summary>The newest order message.</summary>
    public (Age Age, JsonElement Data)? Order { get; private set; }

    /// <summary>The newest message of each payment, by payment_id.</summary>
    public Dictionary<long, (Age Age, JsonElement Data)> Payments { get; } = [];

    /// <summary>The payment of the newest payment message; null when there is none.</summary>
    public long? NewestPayment => Payments.Count == 0 ? null : Payments.MaxBy(payment => payment.Value.Age).Key;

    public void AddOrder(Age age, JsonElement data)
    {
        FirstOrderMicros = Math.Min(FirstOrderMicros ?? long.MaxValue, age.PublishMicros);
        if (Order is not { } newest || age.CompareTo(newest.Age) > 0)
        {
            Order = (age, data);
        }
    }

    public void AddPayment(Age age, long paymentId, JsonElement data)
    {
        if (!Payments.TryGetValue(paymentId, out var newest) || age.CompareTo(newest.Age) > 0)
        {
            Payments[paymentId] = (age, data);
        }
    }
}

/// <summary>Which of two messages is newer: by publish time, then by the number that the broker gave it.</summary>
/// <param name="PublishMicros">Publish time, microseconds since the Unix epoch.</param>
/// <param name="MessageId">The message id.</param>
internal readonly record struct Age(long PublishMicros, long MessageId) : IComparable<Age>
{
    public int CompareTo(Age other) => PublishMicros != other.PublishMicros ? PublishMicros.CompareTo(other.PublishMicros) : MessageId.CompareTo(other.MessageId);
}
