using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;

namespace EcomStream.PubSub.Broker;

/// <summary>What changes a subscription as a whole: settings, seek, retention, dead letters, its end.</summary>
internal sealed partial class BrokerSubscription
{
    /// <summary>The first message that is not acked.</summary>
    public long Cursor
    {
        get
        {
            lock (_lock)
            {
                return _acks.State.Cursor;
            }
        }
    }

    /// <summary>The first message whose ack is retained, if acks are.</summary>
    public long RetainedFrom { get; private set; }

    /// <summary>How long nobody has used it; zero while somebody pulls.</summary>
    public TimeSpan Idle
    {
        get
        {
            lock (_lock)
            {
                return _consumers.Length > 0 ? TimeSpan.Zero : _time.GetElapsedTime(_lastActive);
            }
        }
    }

    /// <summary>Takes settings that are on disk.</summary>
    public void Update(SubscriptionSettings settings, long retainedFrom)
    {
        lock (_lock)
        {
            _settings = settings;
            RetainedFrom = retainedFrom;
            Wake();
        }
    }

    /// <summary>Whether a full segment is still wanted: for delivery, or for a seek back.</summary>
    public bool Needs(LogSegment segment, DateTimeOffset now)
    {
        lock (_lock)
        {
            return segment.EndOffset > _acks.State.Cursor
                || (_settings.RetainAckedMessages && segment.EndOffset > RetainedFrom
                    && segment.LastPublishMicros >= TopicLog.Micros(now - _settings.MessageRetention));
        }
    }

    /// <summary>
    /// Replaces what is acked, as a seek asks. Messages that were unacked and stay so keep their leases, without order.
    /// </summary>
    /// <exception cref="IOException">The disk is full or broken; nothing has changed.</exception>
    public void Seek(Func<AckState, AckState> to)
    {
        lock (_lock)
        {
            if (_closed)
            {
                return;
            }

            _acks.Reset(to(_acks.State).Within(Topic.Log.StartOffset, Topic.Log.EndOffset));
            _lastActive = _time.GetTimestamp();
            Rescan(keepLeases: _keys is null);
            Wake();
        }
    }

    /// <summary>A copy of what is acked, for a snapshot.</summary>
    public AckState CopyAcks()
    {
        lock (_lock)
        {
            AckUnmatched();
            return _acks.State.Within(Topic.Log.StartOffset, Topic.Log.EndOffset);
        }
    }

    /// <summary>Gives up what was published before an offset, because its retention has passed.</summary>
    public void DropBefore(long offset)
    {
        lock (_lock)
        {
            if (_closed || offset <= _acks.State.Cursor)
            {
                return;
            }

            _acks.Reset(_acks.State.Within(offset, Topic.Log.EndOffset));
            foreach (var leased in _leases.Keys.Where(_acks.State.IsAcked).ToList())
            {
                Release(leased);
            }

            _undeliverable.RemoveWhere(_acks.State.IsAcked);
            var acked = new List<long>();
            _keys?.DropBefore(offset, acked);
            WriteFresh(acked);
            Wake();
        }
    }

    /// <summary>Copies of messages that have failed too often, oldest first, each with its failed deliveries.</summary>
    /// <param name="max">The most messages.</param>
    /// <param name="maxBytes">The most bytes; one message may have more.</param>
    public IReadOnlyList<(long Offset, PubsubMessage Message, int Attempts)> Undeliverable(int max, int maxBytes = int.MaxValue)
    {
        lock (_lock)
        {
            if (_closed || _undeliverable.Count == 0)
            {
                return [];
            }

            var messages = new List<(long, PubsubMessage, int)>();
            var bytes = 0L;
            foreach (var offset in _undeliverable.Order().Take(max))
            {
                if (_reader.TryRead(offset, out var message, out _))
                {
                    bytes += message.Length;
                    if (messages.Count > 0 && bytes > maxBytes)
                    {
                        break;
                    }

                    messages.Add((offset, PubsubMessage.Parser.ParseFrom(message), _acks.Failures(offset)));
                }
            }

            return messages;
        }
    }

    /// <summary>They are in the dead-letter topic: acks them, whatever of their keys comes before them.</summary>
    public void Forwarded(IEnumerable<long> offsets)
    {
        lock (_lock)
        {
            if (_closed)
            {
                return;
            }

            var acked = new List<long>();
            foreach (var offset in offsets.Where(_undeliverable.Contains))
            {
                if (_keys is null)
                {
                    acked.Add(offset);
                }
                else
                {
                    _keys.Remove(offset, acked);
                }
            }

            WriteFresh(acked);
        }
    }

    /// <summary>They cannot be forwarded: they are delivered again.</summary>
    public void NotForwarded(IEnumerable<long> offsets)
    {
        lock (_lock)
        {
            foreach (var offset in offsets.Where(_undeliverable.Remove))
            {
                if (_keys?.Has(offset) == true)
                {
                    _keys.LetGo(offset);
                }
                else
                {
                    _redeliveries.Add(offset, 0);
                }
            }

            Wake();
        }
    }

    public void Dispose()
    {
        Close();
        _acks.Dispose();
    }

    // A message that has failed too often waits until it is forwarded.
    private void SetAside(long offset)
    {
        _undeliverable.Add(offset);
        _keys?.Hold(offset);
    }

    // Delivery begins again at the first message that is not acked.
    private void Rescan(bool keepLeases)
    {
        _redeliveries.Clear();
        _keys?.Clear();
        _unmatched.Clear();
        _matchedTo = 0;
        _undeliverable.Clear();
        foreach (var offset in _leases.Keys.Where(offset => !keepLeases || _acks.State.IsAcked(offset)).ToList())
        {
            Release(offset);
        }

        (_seenBefore, _next) = (Math.Max(_seenBefore, _next), _acks.State.Cursor);
    }

    private void Close()
    {
        lock (_lock)
        {
            _closed = true;
            Wake();
        }
    }
}
