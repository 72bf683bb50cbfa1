using EcomStream.PubSub.Broker.Delivery;
using Grpc.Core;

namespace EcomStream.PubSub.Broker;

/// <summary>Acks, extensions and nacks, and deadlines that pass.</summary>
internal sealed partial class BrokerSubscription
{
    /// <summary>Acks messages; the acks are with the operating system when it returns.</summary>
    /// <param name="ackIds">What the client got with them.</param>
    /// <param name="outcome">Takes what became of each; asked for with exactly-once delivery only.</param>
    /// <exception cref="IOException">The disk is full or broken; nothing was acked.</exception>
    /// <exception cref="RpcException">INVALID_ARGUMENT: one is malformed or of another subscription, and nothing was acked.</exception>
    public void Acknowledge(IReadOnlyList<string> ackIds, AckOutcome? outcome = null)
    {
        var ids = Parse(ackIds, outcome);
        var areOfMessages = outcome is null ? AreOfMessages(ids) : [];
        lock (_lock)
        {
            if (_closed)
            {
                outcome?.Invalid.AddRange(ackIds);
                return;
            }

            _lastActive = _time.GetTimestamp();
            var offsets = new List<long>(ackIds.Count);
            var early = new List<long>();
            for (var i = 0; i < ids.Length; i++)
            {
                var id = ids[i];
                if (outcome is not null && !IsCurrent(id))
                {
                    outcome.Invalid.Add(ackIds[i]);
                }
                else if (outcome is not null && _keys?.IsEarly(id.Offset) == true)
                {
                    outcome.Unordered.Add(ackIds[i]);
                }
                else if (!_acks.State.IsAcked(id.Offset) && (outcome is not null || areOfMessages[i]))
                {
                    // Without exactly-once delivery an ack that comes after its deadline counts all the same.
                    Ack(id.Offset, offsets, early);
                    outcome?.Done.Add(ackIds[i]);
                }
            }

            Write(offsets, early);
        }
    }

    /// <summary>Moves the deadlines of leases to so many seconds from now; 0 gives the messages back at once.</summary>
    /// <exception cref="RpcException">INVALID_ARGUMENT: one is malformed or of another subscription.</exception>
    public void ModifyAckDeadline(IReadOnlyList<string> ackIds, Func<int, int> secondsOf, AckOutcome? outcome = null)
    {
        var ids = Parse(ackIds, outcome);
        lock (_lock)
        {
            if (_closed)
            {
                outcome?.Invalid.AddRange(ackIds);
                return;
            }

            _lastActive = _time.GetTimestamp();
            List<long>? returned = null;
            for (var i = 0; i < ids.Length; i++)
            {
                var id = ids[i];
                if (!IsCurrent(id))
                {
                    outcome?.Invalid.Add(ackIds[i]);
                    continue;
                }

                outcome?.Done.Add(ackIds[i]);
                if (secondsOf(i) is > 0 and var seconds)
                {
                    var deadline = Deadline(seconds);
                    _leases[id.Offset] = _leases[id.Offset] with { Deadline = deadline };
                    _firstDeadline = Math.Min(_firstDeadline, deadline);
                }
                else
                {
                    Release(id.Offset);
                    (returned ??= []).Add(id.Offset);
                }
            }

            if (returned is not null)
            {
                GiveBack(returned);
            }
        }
    }

    /// <summary>Gives back what was neither acked nor extended in time, and readies what has waited out its backoff.</summary>
    public void Expire()
    {
        lock (_lock)
        {
            if (_closed)
            {
                return;
            }

            var now = _time.GetTimestamp();
            if (_redeliveries.ReleaseDue(now) | _keys?.ReleaseDue(now) == true)
            {
                Wake();
            }

            if (now < _firstDeadline)
            {
                return;
            }

            List<long>? expired = null;
            var first = long.MaxValue;
            foreach (var (offset, lease) in _leases)
            {
                if (lease.Deadline <= now)
                {
                    (expired ??= []).Add(offset);
                }
                else
                {
                    first = Math.Min(first, lease.Deadline);
                }
            }

            _firstDeadline = first;
            if (expired is not null)
            {
                expired.Sort();
                GiveBack(expired);
            }
        }
    }

    /// <summary>Syncs the acks. Not under the lock: deliveries go on while the disk works.</summary>
    public void Sync() => _acks.Sync(_lock);

    private AckId[] Parse(IReadOnlyList<string> texts, AckOutcome? outcome)
    {
        var ids = AckId.ParseAll(texts, outcome is null);
        if (outcome is null)
        {
            foreach (var id in ids)
            {
                // As the service answers. Those of a subscription that is deleted are ignored, as late ones are.
                if (id.Subscription != Id && _nameOf(id.Subscription) is { } owner)
                {
                    throw new RpcException(new Status(
                        StatusCode.InvalidArgument, $"You have passed a subscription that does not belong to the given ack ID: the ack id is of {owner}, not of {Name}."));
                }
            }
        }

        return ids;
    }

    // Whether each id is of the message that has its offset now, and not of one that a power cut took. What is not leased is
    // looked up in the log, not under the lock: late and invented ids must not hold up deliveries.
    private bool[] AreOfMessages(AckId[] ids)
    {
        var result = new bool[ids.Length];
        var unleased = new List<int>();
        lock (_lock)
        {
            for (var i = 0; i < ids.Length; i++)
            {
                if (ids[i].Subscription != Id || _acks.State.IsAcked(ids[i].Offset))
                {
                    continue;
                }

                if (_leases.TryGetValue(ids[i].Offset, out var lease))
                {
                    result[i] = lease.PublishMicros == ids[i].PublishMicros;
                }
                else
                {
                    unleased.Add(i);
                }
            }
        }

        foreach (var i in unleased)
        {
            result[i] = Topic.Log.IsPublishedAt(ids[i].Offset, ids[i].PublishMicros);
        }

        return result;
    }

    // Whether this very delivery holds the lease.
    private bool IsCurrent(AckId id) =>
        id.Subscription == Id && _leases.TryGetValue(id.Offset, out var lease) && lease.PublishMicros == id.PublishMicros && lease.Delivery == id.Delivery
        && (!_settings.EnableExactlyOnceDelivery || lease.Deadline > _time.GetTimestamp());

    private void Ack(long offset, List<long> acked, List<long> early)
    {
        if (_keys is null)
        {
            acked.Add(offset);
            return;
        }

        _keys.Ack(offset, acked, early);
        Release(offset);
    }

    private void WriteFresh(List<long> offsets)
    {
        offsets.RemoveAll(_acks.State.IsAcked);
        Write(offsets, []);
    }

    // Offsets that are not acked, in any order, one twice or not.
    private void Write(List<long> offsets, List<long> early)
    {
        var sorted = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(offsets);
        sorted.Sort();
        sorted = sorted[..Distinct(sorted)];
        try
        {
            // One that was early may have had its turn in the same request.
            var acked = early.Count > 0 ? offsets.ToHashSet() : [];
            _acks.Ack(sorted, [.. early.Where(offset => !acked.Contains(offset))]);
        }
        catch (IOException) when (_keys is not null)
        {
            // The keys have moved on already: they begin again at what is not acked.
            Rescan(keepLeases: false);
            throw;
        }

        foreach (var offset in sorted)
        {
            Release(offset);
            _undeliverable.Remove(offset);
        }

        if (_keys is not null)
        {
            Wake();
        }
    }

    // Nacked or not acked in time, each a failed delivery.
    private void GiveBack(List<long> offsets)
    {
        if (_settings.CountsFailures)
        {
            _acks.Fail(System.Runtime.InteropServices.CollectionsMarshal.AsSpan(offsets));
        }

        foreach (var offset in offsets)
        {
            Release(offset);
            var failures = _acks.Failures(offset);
            var due = _settings.Retry?.Delay(failures) is { Ticks: > 0 } delay
                ? _time.GetTimestamp() + (long)(delay.TotalSeconds * _time.TimestampFrequency)
                : 0;
            var isUndeliverable = HasFailedTooOften(offset);
            if (_keys?.Has(offset) == true)
            {
                var returned = _keys.Return(offset, due);
                _acks.ForgetEarly(returned);
                foreach (var other in returned)
                {
                    Release(other);
                }
            }
            else if (!isUndeliverable)
            {
                _redeliveries.Add(offset, due);
            }

            if (isUndeliverable)
            {
                SetAside(offset);
            }
        }

        Wake();
    }

    private static int Distinct(Span<long> sorted)
    {
        var count = 0;
        foreach (var value in sorted)
        {
            if (count == 0 || sorted[count - 1] != value)
            {
                sorted[count++] = value;
            }
        }

        return count;
    }
}
