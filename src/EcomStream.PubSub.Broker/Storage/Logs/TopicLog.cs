using System.Buffers;
using System.Security.Cryptography;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// The messages of one topic, append-only, in segments. An offset counts the topic's messages from 0. Message ids ascend with
/// the offsets from a random number, which is drawn again whenever the log may have lost published messages: no two messages
/// ever have the same id, whatever happens to the topic, the folder or the disk. Thread-safe.
/// </summary>
internal sealed class TopicLog : IDisposable
{
    // Ids have 19 digits, and so many may follow the first one.
    private const long LeastFirstId = 1_000_000_000_000_000_000;
    private const long MostIds = 1L << 62;

    private readonly TimeProvider _time;
    private readonly SegmentList _segments;
    private readonly Lock _lock = new();
    private readonly Lock _syncing = new();
    private int[] _sizes = [];
    private long _idsFrom;
    private long _lastPublishMicros;
    private long _observedMicros;
    private long _end;
    private bool _unsynced;

    private TopicLog(SegmentList segments, TimeProvider time, ClosedMarker.NextMessage? next)
    {
        (_segments, _time) = (segments, time);
        _end = segments.Last.EndOffset;
        _lastPublishMicros = segments.LastPublishMicros;
        _idsFrom = next is not null && next.Offset == _end ? next.Id - next.Offset : RandomFirstId() - _end;
    }

    /// <summary>Offset that the next message gets.</summary>
    public long EndOffset => Volatile.Read(ref _end);

    /// <summary>Offset of the first message that is still there; <see cref="EndOffset"/> when none is.</summary>
    public long StartOffset
    {
        get
        {
            lock (_lock)
            {
                return _segments.First.BaseOffset;
            }
        }
    }

    /// <summary>Whether messages of it are durable.</summary>
    public bool IsStored { get; private set; }

    /// <summary>What the next message gets.</summary>
    public ClosedMarker.NextMessage Next
    {
        get
        {
            lock (_lock)
            {
                return new ClosedMarker.NextMessage(_end, MessageId(_end));
            }
        }
    }

    /// <param name="folder">Its folder; created with the first message if it is missing.</param>
    /// <param name="options">How it is written.</param>
    /// <param name="logger">Where what was repaired is logged.</param>
    /// <param name="next">The id that the log goes on with, if none of its messages is lost.</param>
    /// <exception cref="BrokerStartException">The log is damaged; the message says where.</exception>
    public static TopicLog Open(string folder, EmbeddedBrokerOptions options, ILogger logger, ClosedMarker.NextMessage? next = null) =>
        new(SegmentList.Open(folder, options.SegmentBytes, options.Files, logger), options.Time, next);

    /// <summary>
    /// Appends messages, in order, each with an id and a publish time of its own, and hands them to the operating system.
    /// </summary>
    /// <param name="messages">The messages.</param>
    /// <param name="publishMicros">The publish time of the first, microseconds since the Unix epoch; null for the present.</param>
    /// <returns>The offset of the first.</returns>
    /// <exception cref="IOException">The disk is full or broken; none was appended.</exception>
    /// <exception cref="ObjectDisposedException">The log was closed.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The publish time is not later than the last one; none was appended.</exception>
    public long Append(RawMessages messages, long? publishMicros = null)
    {
        lock (_lock)
        {
            if (publishMicros <= _lastPublishMicros)
            {
                throw new ArgumentOutOfRangeException(
                    nameof(publishMicros), $"The publish time must be later than {DateTimeOffset.UnixEpoch.AddTicks(_lastPublishMicros * TimeSpan.TicksPerMicrosecond):o}, the last one of the topic.");
            }

            var first = _end;
            var now = publishMicros ?? Math.Max(NowMicros, Math.Max(_lastPublishMicros, _observedMicros) + 1);
            if (_sizes.Length < messages.Count)
            {
                _sizes = new int[messages.Count];
            }

            var buffer = ArrayPool<byte>.Shared.Rent(messages.Length + (messages.Count * LogRecord.Size(MessageStamp.LongestBytes)));
            try
            {
                var (count, used, last) = Stamp(messages, buffer, first, now);
                _segments.For(used, first).Append(buffer.AsSpan(0, used), _sizes.AsSpan(0, count), last);
                _lastPublishMicros = last;
                _unsynced = true;
                Volatile.Write(ref _end, first + count);
                return first;
            }
            finally
            {
                ArrayPool<byte>.Shared.Return(buffer);
            }
        }
    }

    /// <summary>The segment that holds an offset; null when it has been deleted or not been written.</summary>
    public LogSegment? Find(long offset)
    {
        lock (_lock)
        {
            return _segments.Find(offset);
        }
    }

    /// <summary>Syncs what was appended before the call. Of several callers each waits until its messages are synced.</summary>
    public void Sync()
    {
        lock (_syncing)
        {
            LogSegment last;
            long length;
            lock (_lock)
            {
                if (!_unsynced)
                {
                    return;
                }

                _unsynced = false;
                last = _segments.Last;
                length = last.Length;
            }

            try
            {
                _segments.Sync(last, length);
                IsStored = true;
            }
            catch (ObjectDisposedException)
            {
                // It was filled, synced, acked by everyone and deleted in the meantime.
            }
            catch
            {
                lock (_lock)
                {
                    _unsynced = true;
                }

                throw;
            }
        }
    }

    /// <summary>Offset of the first message published at or after a time; <see cref="EndOffset"/> when none is.</summary>
    public long OffsetAt(DateTimeOffset time)
    {
        var micros = Micros(time);
        lock (_lock)
        {
            return _segments.FindPublishedSince(micros)?.OffsetAt(micros) ?? _end;
        }
    }

    /// <summary>When a message was published; null when it is not there.</summary>
    public DateTimeOffset? PublishTime(long offset) => PublishMicros(offset) is { } micros
        ? DateTimeOffset.UnixEpoch.AddTicks(micros * TimeSpan.TicksPerMicrosecond)
        : null;

    /// <summary>When a message was published, microseconds since the Unix epoch; null when it is not there.</summary>
    public long? PublishMicros(long offset) => Find(offset)?.PublishMicros(offset);

    /// <summary>Whether the message at an offset is there, undamaged, and was published at a time.</summary>
    public bool IsPublishedAt(long offset, long publishMicros)
    {
        try
        {
            return PublishMicros(offset) == publishMicros;
        }
        catch (Exception gone) when (gone is InvalidDataException or ObjectDisposedException)
        {
            return false;
        }
    }

    /// <summary>
    /// The log at one instant: its end, and the time, microseconds since the Unix epoch. Every message appended later has a
    /// later publish time, even if the clock is set back meanwhile, unless it is given an earlier one.
    /// </summary>
    public (long EndOffset, long NowMicros) Observe()
    {
        lock (_lock)
        {
            _observedMicros = Math.Max(Math.Max(_lastPublishMicros, _observedMicros), NowMicros);
            return (_end, _observedMicros);
        }
    }

    /// <summary>The segments that get no more messages, oldest first.</summary>
    public IReadOnlyList<LogSegment> FullSegments()
    {
        lock (_lock)
        {
            return _segments.Full;
        }
    }

    /// <summary>Deletes the full segments whose messages all stand before an offset. They must not be read any more.</summary>
    public void DeleteBefore(long offset)
    {
        lock (_lock)
        {
            _segments.DeleteBefore(offset);
        }
    }

    public void Dispose()
    {
        lock (_lock)
        {
            _segments.Dispose();
        }
    }

    private static long RandomFirstId()
    {
        Span<byte> bytes = stackalloc byte[8];
        RandomNumberGenerator.Fill(bytes);
        return LeastFirstId + (BitConverter.ToInt64(bytes) & (MostIds - 1));
    }

    // Writes the records of messages into a buffer, and their sizes.
    private (int Count, int Bytes, long LastPublishMicros) Stamp(RawMessages messages, byte[] buffer, long first, long now)
    {
        var (count, used, last) = (0, 0, 0L);
        var time = now;
        foreach (var message in messages)
        {
            // A time without microseconds would look like one of a service that gives milliseconds only, whose readers
            // complete it from the message id.
            last = time % 1_000 == 0 ? time + 1 : time;
            time = last + 1;
            var record = buffer.AsSpan(used);
            message.CopyTo(record[LogRecord.HeaderBytes..]);
            var size = LogRecord.Size(message.Length);
            size += MessageStamp.Write(record[size..], MessageId(first + count), last);
            LogRecord.Seal(record[..size], last);
            _sizes[count++] = size;
            used += size;
        }

        return (count, used, last);
    }

    /// <summary>The id of a message that is appended, which is a decimal number of 19 digits.</summary>
    public long MessageId(long offset) => _idsFrom + offset;

    /// <summary>A time as publish times are kept: microseconds since the Unix epoch, rounded up.</summary>
    public static long Micros(DateTimeOffset time) =>
        ((time - DateTimeOffset.UnixEpoch).Ticks + TimeSpan.TicksPerMicrosecond - 1) / TimeSpan.TicksPerMicrosecond;

    private long NowMicros => Micros(_time.GetUtcNow());
}
