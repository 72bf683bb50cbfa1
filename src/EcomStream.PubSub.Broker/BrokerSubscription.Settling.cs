using EcomStream.PubSub.Broker.Delivery;

namespace EcomStream.PubSub.Broker;

/// <summary>Acks, extensions and nacks, and deadlines that pass.</summary>
internal sealed partial class BrokerSubscription
{
    /// <summary>Acks messages; the acks are with the operating system when it returns.</summary>
    /// <param name="ackIds">What the client got with them.</param>
    /// <param name="outcome">Takes what became of each; asked for with exactly-once delivery only.</param>
    /// <exception cref="IOException">The disk is full or broken; nothing was acked.</exception>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: one is malformed, and nothing was acked.</exception>
    public void Acknowledge(IReadOnlyList<string> ackIds, AckOutcome? outcome = null)
    {
        lock (_lock)
        {
            if (_closed)
            {
                outcome?.Invalid.AddRange(ackIds);
                return;
            }

            _lastActive = _time.GetTimestamp();
            var offsets = new List<long>(ackIds.Count);
            var ids = AckId.ParseAll(ackIds, outcome is null);
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
                else if (!_acks.State.IsAcked(id.Offset) && IsOf(id))
                {
                    // Without exactly-once delivery an ack that comes after its deadline counts all the same.
                    Ack(id.Offset, offsets);
                    outcome?.Done.Add(ackIds[i]);
                }
            }

            Write(offsets);
        }
    }

    /// <summary>Moves the deadlines of leases to so many seconds from now; 0 gives the messages back at once.</summary>
    public void ModifyAckDeadline(IReadOnlyList<string> ackIds, Func<int, int> secondsOf, AckOutcome? outcome = null)
    {
        lock (_lock)
        {
            if (_closed)
            {
                outcome?.Invalid.AddRange(ackIds);
                return;
            }

            _lastActive = _time.GetTimestamp();
            List<long>? returned = null;
            var ids = AckId.ParseAll(ackIds, outcome is null);
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

    // Whether the id is of the message that has this offset now, and not of one that a power cut took.
    private bool IsOf(AckId id)
    {
        if (_leases.TryGetValue(id.Offset, out var lease))
        {
            return lease.PublishMicros == id.PublishMicros;
        }

        return id.Offset >= 0 && _reader.TryRead(id.Offset, out _, out var micros) && micros == id.PublishMicros;
    }

    // Whether this very delivery holds the lease.
    private bool IsCurrent(AckId id) =>
        _leases.TryGetValue(id.Offset, out var lease) && lease.PublishMicros == id.PublishMicros && lease.Delivery == id.Delivery
        && (!_settings.EnableExactlyOnceDelivery || lease.Deadline > _time.GetTimestamp());

    private void Ack(long offset, List<long> acked)
    {
        if (_keys is null)
        {
            acked.Add(offset);
            return;
        }

        _keys.Ack(offset, acked);
        Release(offset);
    }

    private void WriteFresh(List<long> offsets)
    {
        offsets.RemoveAll(_acks.State.IsAcked);
        Write(offsets);
    }

    // Offsets that are not acked, in any order, one twice or not.
    private void Write(List<long> offsets)
    {
        var sorted = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(offsets);
        sorted.Sort();
        sorted = sorted[..Distinct(sorted)];
        try
        {
            _acks.Ack(sorted);
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
                foreach (var other in _keys.Return(offset, due))
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
