using System.Buffers;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// Reads a topic's log forward in large pieces, and single records elsewhere for redelivery. Belongs to one
/// subscription, which guards it.
/// </summary>
internal sealed class LogReader(TopicLog log)
{
    private const int PieceBytes = 256 << 10;

    // Reading on over so many messages is cheaper than looking the next one up; redeliveries have gaps between them.
    private const int ReadOver = 256;

    private byte[] _piece = [];
    private int _filled;
    private int _at;
    private LogSegment? _segment;
    private long _position;
    private long _next = -1;

    /// <summary>The record with this offset. The payload is valid until the next call.</summary>
    /// <exception cref="InvalidDataException">The record is damaged; the message says where.</exception>
    public bool TryRead(long offset, out ReadOnlySpan<byte> payload, out long publishMicros)
    {
        payload = default;
        publishMicros = 0;
        if (offset >= log.EndOffset)
        {
            // Whoever has read everything may wait for long.
            Release();
            return false;
        }

        if (_segment is null || _next < 0 || offset < _next || offset - _next > ReadOver || offset >= _segment.EndOffset)
        {
            if (!Seek(offset))
            {
                return false;
            }
        }

        while (_next < offset)
        {
            Take();
        }

        var record = Take();
        (_, publishMicros) = LogRecord.Header(record);
        payload = record[LogRecord.HeaderBytes..];
        return true;
    }

    /// <summary>Gives the buffer back; the last payload is invalid then.</summary>
    public void Release()
    {
        _position -= _filled - _at;
        _filled = _at = 0;
        if (_piece.Length > 0)
        {
            ArrayPool<byte>.Shared.Return(_piece);
            _piece = [];
        }
    }

    private bool Seek(long offset)
    {
        _segment = log.Find(offset);
        _next = -1;
        if (_segment is null)
        {
            return false;
        }

        (_position, _next) = _segment.Nearest(offset);
        _filled = _at = 0;
        return true;
    }

    private ReadOnlySpan<byte> Take()
    {
        Need(LogRecord.HeaderBytes);
        var (length, _) = LogRecord.Header(_piece.AsSpan(_at));
        if (length is < 0 or > LogRecord.LongestPayload)
        {
            throw Damaged();
        }

        var size = LogRecord.Size(length);
        Need(size);
        var record = _piece.AsSpan(_at, size);
        if (!LogRecord.IsIntact(record))
        {
            throw Damaged();
        }

        _at += size;
        _next++;
        return record;
    }

    private void Need(int bytes)
    {
        if (_filled - _at >= bytes)
        {
            return;
        }

        var rest = _filled - _at;
        var target = Math.Max(bytes, PieceBytes);
        if (_piece.Length < target || (_piece.Length > 2 * PieceBytes && target == PieceBytes && rest <= PieceBytes))
        {
            // The room of one large message is not kept.
            var fitting = ArrayPool<byte>.Shared.Rent(target);
            _piece.AsSpan(_at, rest).CopyTo(fitting);
            if (_piece.Length > 0)
            {
                ArrayPool<byte>.Shared.Return(_piece);
            }

            _piece = fitting;
        }
        else
        {
            _piece.AsSpan(_at, rest).CopyTo(_piece);
        }

        _at = 0;
        _filled = rest;
        while (_filled < bytes)
        {
            var read = _segment!.Read(_position, _piece.AsSpan(_filled));
            if (read == 0)
            {
                throw Damaged();
            }

            _position += read;
            _filled += read;
        }
    }

    private InvalidDataException Damaged() => new(
        $"The log {_segment!.Path} is damaged at byte {_position - (_filled - _at)} (offset {_next}). Stop the broker and continue without the damaged messages: ecomstream broker repair, or BrokerRepair.Repair.");
}
