using System.Globalization;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// Reads the segments of a topic around damage. How many messages a damaged place has held follows from what the next file
/// says its first offset is, or else from the message ids on both sides, which ascend one by one.
/// </summary>
internal static class LogRepair
{
    // An unfinished write at the end of the log is cut off when the broker starts; it is not damage.
    private const long Unknown = -1;

    // Bytes that look like a header almost never have a publish time of these ten years: few checksums are computed.
    private const long LatestAfter = 10L * 365 * 24 * 3600 * 1_000_000;

    /// <param name="folder">The topic's folder.</param>
    /// <param name="files">How repaired files are written; null to change nothing.</param>
    public static List<LogDamage> Run(string folder, BrokerFiles? files)
    {
        var found = new List<LogDamage>();
        var paths = Directory.GetFiles(folder, "*.log").Order(StringComparer.Ordinal).ToArray();
        for (var i = 0; i < paths.Length; i++)
        {
            var next = i + 1 < paths.Length ? SegmentName.OffsetOf(paths[i + 1]) : Unknown;
            var segment = Read(paths[i], next);
            found.AddRange(segment.Damages);
            if (files is not null && segment.Damages.Any(damage => damage.File == paths[i]))
            {
                File.Copy(paths[i], paths[i] + ".damaged", overwrite: true);
                files.Replace(paths[i], segment.Repaired());
                File.Delete(Path.ChangeExtension(paths[i], ".index"));
            }

            if (files is not null && segment.Damages.FirstOrDefault(damage => damage.File != paths[i]) is { } missing)
            {
                files.Replace(missing.File, Empty((int)missing.LostMessages, segment.LastMicros));
            }
        }

        return found;
    }

    private static Segment Read(string path, long next)
    {
        var bytes = File.ReadAllBytes(path);
        var segment = new Segment(path, SegmentName.OffsetOf(path), bytes);
        var at = 0;
        while (at < bytes.Length)
        {
            if (RecordAt(bytes, at, segment.LastMicros) is { } size)
            {
                segment.Add(at, size);
                at += size;
                continue;
            }

            var following = at + 1;
            while (following < bytes.Length && (RecordAt(bytes, following, segment.LastMicros) is not { } length || length == LogRecord.HeaderBytes))
            {
                following++;
            }

            if (following >= bytes.Length && next == Unknown)
            {
                break;
            }

            segment.AddDamage(at, following - at);
            at = following;
        }

        segment.Count(next);
        return segment;
    }

    // The size of an intact record; null when there is none. An empty one stands for a message that was lost before.
    private static int? RecordAt(byte[] bytes, int at, long afterMicros)
    {
        var rest = bytes.AsSpan(at);
        if (rest.Length < LogRecord.HeaderBytes)
        {
            return null;
        }

        var (payload, micros) = LogRecord.Header(rest);
        return payload is >= 0 and <= LogRecord.LongestPayload && micros >= afterMicros && (afterMicros == 0 || micros - afterMicros < LatestAfter)
            && LogRecord.Size(payload) <= rest.Length
            && LogRecord.IsIntact(rest[..LogRecord.Size(payload)])
            ? LogRecord.Size(payload)
            : null;
    }

    private static byte[] Empty(int count, long micros)
    {
        var bytes = new byte[count * LogRecord.HeaderBytes];
        for (var i = 0; i < count; i++)
        {
            LogRecord.Seal(bytes.AsSpan(i * LogRecord.HeaderBytes, LogRecord.HeaderBytes), micros);
        }

        return bytes;
    }

    /// <summary>The readable records and the damaged places of one file, in their order.</summary>
    private sealed class Segment(string path, long start, byte[] bytes)
    {
        private readonly List<(int At, int Size, bool IsDamage)> _parts = [];
        private readonly List<long> _lost = [];

        public long LastMicros { get; private set; }

        public List<LogDamage> Damages { get; } = [];

        public void Add(int at, int size)
        {
            _parts.Add((at, size, false));
            LastMicros = LogRecord.Header(bytes.AsSpan(at)).PublishMicros;
        }

        public void AddDamage(int at, int size) => _parts.Add((at, size, true));

        /// <summary>Finds out how many messages each damaged place has held.</summary>
        /// <param name="next">The first offset of the next file, or <see cref="Unknown"/>.</param>
        public void Count(long next)
        {
            var places = _parts.Count(part => part.IsDamage);
            var readable = _parts.Count - places;
            var missing = next == Unknown ? long.MaxValue : next - start - readable;
            for (var i = 0; i < _parts.Count; i++)
            {
                if (!_parts[i].IsDamage)
                {
                    continue;
                }

                // The last place gets what the others leave, where the end is known; each has held one message at least.
                places--;
                var lost = next != Unknown && places == 0 ? missing : Math.Min(IdsBetween(i) ?? 1, missing - places);
                lost = Math.Max(1, lost);
                missing = missing == long.MaxValue ? missing : missing - lost;
                Damages.Add(new LogDamage(path, _parts[i].At, _parts[i].Size, start + _parts.Take(i).Count(part => !part.IsDamage) + _lost.Sum(), lost));
                _lost.Add(lost);
            }

            if (next != Unknown && missing > 0)
            {
                var first = next - missing;
                Damages.Add(new LogDamage(SegmentName.PathOf(Path.GetDirectoryName(path)!, first), 0, 0, first, missing));
            }
        }

        /// <summary>The file with an empty record for each lost message.</summary>
        public byte[] Repaired()
        {
            using var repaired = new MemoryStream(bytes.Length);
            var (place, micros) = (0, FirstMicros());
            foreach (var (at, size, isDamage) in _parts)
            {
                if (isDamage)
                {
                    repaired.Write(Empty((int)_lost[place++], micros));
                }
                else
                {
                    micros = LogRecord.Header(bytes.AsSpan(at)).PublishMicros;
                    repaired.Write(bytes.AsSpan(at, size));
                }
            }

            return repaired.ToArray();
        }

        private long FirstMicros() => _parts.FirstOrDefault(part => !part.IsDamage) is { Size: > 0 } first
            ? LogRecord.Header(bytes.AsSpan(first.At)).PublishMicros
            : 0;

        private long? IdsBetween(int place) =>
            place > 0 && place + 1 < _parts.Count && Id(place - 1) is { } before && Id(place + 1) is { } after && after - before > 1
            && after - before - 1 <= _parts[place].Size / LogRecord.HeaderBytes
                ? after - before - 1
                : null;

        private long? Id(int part)
        {
            try
            {
                var message = PubsubMessage.Parser.ParseFrom(bytes.AsSpan(_parts[part].At + LogRecord.HeaderBytes, _parts[part].Size - LogRecord.HeaderBytes));
                return long.TryParse(message.MessageId, NumberStyles.None, CultureInfo.InvariantCulture, out var id) ? id : null;
            }
            catch (InvalidProtocolBufferException)
            {
                return null;
            }
        }
    }
}
