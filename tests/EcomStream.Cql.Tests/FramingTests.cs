using EcomStream.Cql.TestSupport;
using CsCheck;
using EcomStream.Cql.Cluster;
using EcomStream.Cql.Protocol;

namespace EcomStream.Cql.Tests;

/// <summary>Frames without a server: what is sent is what is read, in whatever pieces it comes, and damage is seen.</summary>
public sealed class FramingTests
{
    [Theory]
    [InlineData(false, false)]
    [InlineData(false, true)]
    [InlineData(true, false)]
    [InlineData(true, true)]
    public void Envelopes_of_any_size_come_through_in_any_pieces(bool segments, bool compressed) =>
        Gen.Select(Gen.Int[0, 300_000].Array[1, 6], Gen.Int[1, 70_000]).Sample(
            (sizes, piece) =>
            {
                using var writer = new EnvelopeWriter(5, compressed);
                writer.StartUpIsDone(segments);
                using var queued = new ByteWriter();
                for (var i = 0; i < sizes.Length; i++)
                {
                    var body = Enumerable.Range(0, sizes[i]).Select(b => (byte)(b * b >> 3)).ToArray();
                    writer.Write(queued, (short)i, new CqlRequest(Opcode.Result, body, "test"));
                }

                // What a client sends is no response: the direction bit is set here as a server would.
                var envelopes = queued.Written.ToArray();
                for (var at = 0; at < envelopes.Length;)
                {
                    envelopes[at] |= 0x80;
                    at += EnvelopeHeader.Size + System.Buffers.Binary.BinaryPrimitives.ReadInt32BigEndian(envelopes.AsSpan(at + 5));
                }

                queued.Truncate(0);
                queued.Raw(envelopes);
                var bytes = writer.Frame(queued).ToArray();
                using var reader = new EnvelopeReader(compressed);
                if (segments)
                {
                    reader.UseSegments();
                }

                var seen = new List<(int Stream, int Length)>();
                var (start, end) = (0, 0);
                while (end < bytes.Length)
                {
                    end = Math.Min(bytes.Length, end + piece);
                    for (int used; (used = reader.Read(bytes.AsSpan(start..end), (header, body) => seen.Add((header.Stream, body.Length)))) > 0;)
                    {
                        start += used;
                    }
                }

                start.ShouldBe(bytes.Length);
                seen.ShouldBe(sizes.Select((size, stream) => (stream, size)));
            },
            iter: 40);

    [Fact]
    public void A_bit_that_was_changed_on_the_way_is_seen()
    {
        using var target = new ByteWriter();
        new SegmentCodec(compressed: false).Write(target, Enumerable.Range(0, 200).Select(i => (byte)i).ToArray(), selfContained: true);
        for (var bit = 0; bit < target.Length * 8; bit++)
        {
            var damaged = target.Written.ToArray();
            damaged[bit / 8] ^= (byte)(1 << (bit % 8));
            Should.Throw<CqlProtocolException>(() => new SegmentCodec(compressed: false).TryRead(damaged, out _, out _), $"bit {bit}");
        }
    }

    [Theory]
    [InlineData("db1", "db1", 9042)]
    [InlineData("db1:9043", "db1", 9043)]
    [InlineData("::1", "::1", 9042)]
    [InlineData("[::1]:9043", "::1", 9043)]
    public void A_contact_point_is_read_as_it_is_written(string text, string host, int port) =>
        ContactPoint.Parse(text).ShouldBe(new ContactPoint(host, port));

    [Theory]
    [InlineData("db:99999")]
    [InlineData("db:x")]
    [InlineData(":9042")]
    [InlineData("")]
    public void What_is_no_contact_point_is_refused_with_its_text(string text) =>
        Should.Throw<CqlConfigurationException>(() => ContactPoint.Parse(text)).Message.ShouldContain($"'{text}' is not a contact point");
}
