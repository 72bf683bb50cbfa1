using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub;

/// <summary>How long leases are extended: it follows what settling takes, the age of the messages and the subscription.</summary>
internal sealed class LeaseTerms(SubscriptionCalls calls)
{
    // A lease covers the age of its messages, so that those of a store that stands still are extended ever more seldom.
    // Ages are rounded up, to share requests.
    private static readonly TimeSpan AgeStep = TimeSpan.FromSeconds(10);

    // Below this, confirmed acks may come too late for the service
    // (https://cloud.google.com/pubsub/docs/exactly-once-delivery).
    private static readonly TimeSpan LeastExactlyOnce = TimeSpan.FromSeconds(60);

    private readonly SettleTimes _settleTimes = new();
    private volatile bool _exactlyOnce;

    /// <summary>
    /// Whether the subscription delivers exactly once: receipts and acks are confirmed, or refused for good, one by one.
    /// Set from what the server says.
    /// </summary>
    public bool IsExactlyOnce
    {
        get => _exactlyOnce;
        set
        {
            if (_exactlyOnce != value)
            {
                _exactlyOnce = value;
                calls.Logger.LogInformation(
                    "Exactly-once delivery of subscription {Subscription} is {State}",
                    calls.Path,
                    value ? "on: receipts and acks are confirmed" : "off");
            }
        }
    }

    /// <summary>What 99 of 100 messages have taken to be settled.</summary>
    public TimeSpan Percentile99 => _settleTimes.Percentile99;

    /// <summary>Messages of a batch were settled.</summary>
    public void Settled(LeasedBatch? batch, int count, long now)
    {
        if (batch is not null)
        {
            _settleTimes.Record(calls.Time.GetElapsedTime(batch.ReceivedAt, now), count);
        }
    }

    /// <summary>Long enough for 99 in 100, and for the messages themselves to become as old again.</summary>
    public TimeSpan LeaseOf(LeasedBatch batch, TimeSpan percentile99, long now)
    {
        var settings = calls.Settings.Subscriber;
        var age = calls.Time.GetElapsedTime(batch.ReceivedAt, now);
        var wanted = new[] { percentile99, AgeStep * Math.Ceiling(age / AgeStep), _exactlyOnce ? LeastExactlyOnce : TimeSpan.Zero }.Max();
        return wanted < settings.AckDeadline ? settings.AckDeadline : wanted > settings.MaxAckDeadline ? settings.MaxAckDeadline : wanted;
    }
}
