using System.Globalization;
using System.Text.Json;
using EcomStream.Chaos.Load;
using Google.Cloud.PubSub.V1;

namespace EcomStream.Chaos.Checking;

/// <summary>
/// What was published and what was dead-lettered, as subscriptions of the checker's own have it: the data, ids and times are
/// those of the broker. All members may be used by several threads.
/// </summary>
/// <param name="firstOrder">Messages of earlier runs have smaller order ids and numbers; they are not looked at.</param>
/// <param name="grace">The grace period of the pipeline.</param>
internal sealed class Ledger(long firstOrder, TimeSpan grace)
{
    private readonly Lock _gate = new();
    private readonly Dictionary<long, PublishedOrder> _orders = [];
    private readonly HashSet<long> _confirmedUnseen = [];
    private readonly HashSet<long> _seen = [];
    private readonly Dictionary<string, string> _malformed = [];
    private readonly Dictionary<string, string> _malformedDeadLetters = [];
    private readonly HashSet<(long OrderId, long PaymentId, string Reason)> _deadLetters = [];
    private readonly Dictionary<string, (long OrderId, long PublishMicros)> _givenUp = [];
    private readonly SortedSet<string> _faults = [];
    private readonly Dictionary<string, long> _reasons = [];

    /// <summary>Messages that the broker has, without those sent again by a client that got no answer.</summary>
    public long Published { get; private set; }

    /// <summary>The broker has confirmed a message.</summary>
    public void Confirmed(ShopMessage message)
    {
        lock (_gate)
        {
            if (!_seen.Contains(message.Number))
            {
                _confirmedUnseen.Add(message.Number);
            }
        }
    }

    /// <summary>The broker has delivered a message to the checker.</summary>
    public void Add(bool isOrder, PubsubMessage message)
    {
        var number = long.Parse(message.Attributes[ShopMessage.NumberAttribute], CultureInfo.InvariantCulture);
        if (number < firstOrder)
        {
            return;
        }

        var age = AgeOf(message);
        lock (_gate)
        {
            _confirmedUnseen.Remove(number);
            Published += _seen.Add(number) ? 1 : 0;
            if (Parse(message) is not { } data || !data.TryGetProperty("order_id", out var id))
            {
                _malformed[message.MessageId] = message.Data.ToStringUtf8();
            }
            else if (isOrder)
            {
                Of(id.GetInt64()).AddOrder(age, data);
            }
            else
            {
                Of(long.Parse(id.GetString()!, CultureInfo.InvariantCulture)).AddPayment(age, data.GetProperty("payment_id").GetInt64(), data);
            }
        }
    }

    /// <summary>The checker has received a dead letter.</summary>
    public void AddDeadLetter(PubsubMessage message)
    {
        var reason = message.Attributes["reason"];
        var source = message.Attributes["source_message_id"];
        lock (_gate)
        {
            _reasons[reason] = _reasons.GetValueOrDefault(reason) + 1;
            if (reason == "malformed")
            {
                _malformedDeadLetters[source] = message.Data.ToStringUtf8();
                return;
            }

            var orderId = long.Parse(message.Attributes["order_id"], CultureInfo.InvariantCulture);
            if (orderId < firstOrder)
            {
                return;
            }

            if (reason is not ("no-matching-order" or "superseded"))
            {
                _faults.Add($"a healthy message was dead-lettered: {message.Attributes}");
            }

            _deadLetters.Add((orderId, long.Parse(message.Attributes["payment_id"], CultureInfo.InvariantCulture), reason));
            if (reason == "no-matching-order")
            {
                var time = DateTimeOffset.Parse(message.Attributes["source_publish_time"], CultureInfo.InvariantCulture);
                _givenUp[source] = (orderId, (time - DateTimeOffset.UnixEpoch).Ticks / TimeSpan.TicksPerMicrosecond);
            }
        }
    }

    /// <summary>
    /// What is wrong or not done yet; empty when everything is as the messages say.
    /// </summary>
    /// <param name="facts">The rows of the facts table, by order id.</param>
    /// <param name="unmatched">The rows of unmatched payments.</param>
    public IReadOnlyList<string> Differences(IReadOnlyDictionary<long, FactRow> facts, IReadOnlyList<UnmatchedRow> unmatched)
    {
        lock (_gate)
        {
            FindFalseDeadLetters();
            var found = new List<string>(_faults);
            if (_confirmedUnseen.Count > 0)
            {
                found.Add($"the broker has confirmed {_confirmedUnseen.Count} messages that it has not delivered to the checker, such as {_confirmedUnseen.First()}");
            }

            found.AddRange(_malformed
                .Where(message => _malformedDeadLetters.GetValueOrDefault(message.Key) != message.Value)
                .Select(message => _malformedDeadLetters.TryGetValue(message.Key, out var other)
                    ? $"the dead letter of malformed message {message.Key} has other data: {other}, not {message.Value}"
                    : $"malformed message {message.Key} has no dead letter"));
            var rows = unmatched.ToLookup(row => row.OrderId);
            foreach (var (id, order) in _orders)
            {
                found.AddRange(RowCheck.Differences(id, order, facts.GetValueOrDefault(id), [.. rows[id]], HasDeadLetter));
            }

            found.AddRange(facts.Keys.Where(id => !_orders.ContainsKey(id)).Select(id => $"the facts table has order {id}, which was not published"));
            return found;
        }
    }

    /// <summary>Messages since the last call.</summary>
    public long TakePublished()
    {
        lock (_gate)
        {
            (var published, Published) = (Published, 0);
            return published;
        }
    }

    /// <summary>Dead letters since the last call by their reason, duplicates included.</summary>
    public IReadOnlyDictionary<string, long> TakeDeadLetters()
    {
        lock (_gate)
        {
            var taken = new Dictionary<string, long>(_reasons);
            _reasons.Clear();
            return taken;
        }
    }

    /// <summary>Everything so far is as it must be, and will not change: it need not be remembered.</summary>
    public void Forget()
    {
        lock (_gate)
        {
            _orders.Clear();
            _seen.Clear();
            _malformed.Clear();
            _malformedDeadLetters.Clear();
            _deadLetters.Clear();
            _givenUp.Clear();
        }
    }

    private static JsonElement? Parse(PubsubMessage message)
    {
        try
        {
            using var document = JsonDocument.Parse(message.Data.Memory);
            return document.RootElement.Clone();
        }
        catch (JsonException)
        {
            return null;
        }
    }

    private static Age AgeOf(PubsubMessage message) => new(
        (message.PublishTime.Seconds * 1_000_000) + (message.PublishTime.Nanos / 1_000),
        long.TryParse(message.MessageId, CultureInfo.InvariantCulture, out var id) ? id : 0);

    private PublishedOrder Of(long id)
    {
        if (!_orders.TryGetValue(id, out var order))
        {
            _orders[id] = order = new PublishedOrder();
        }

        return order;
    }

    private bool HasDeadLetter(long orderId, long paymentId, string reason) => _deadLetters.Contains((orderId, paymentId, reason));

    private void FindFalseDeadLetters()
    {
        foreach (var (source, (orderId, publishMicros)) in _givenUp)
        {
            if (_orders.GetValueOrDefault(orderId)?.FirstOrderMicros is { } ordered && ordered < publishMicros + grace.TotalMicroseconds)
            {
                _faults.Add(
                    $"a false dead letter: payment message {source} of order {orderId} was published {(ordered - publishMicros) / 1e6:0.000} s before its order, "
                    + $"and the grace period is {grace.TotalSeconds} s");
            }
        }
    }
}
