using CsCheck;
using EcomStream.PubSub.Protocol;
using Google.Protobuf;

namespace EcomStream.PubSub.Tests;

/// <summary>The protocol buffers encoding, beside the library's own.</summary>
public sealed class ProtobufWireTests
{
    [Fact]
    public void A_varint_is_written_as_the_library_writes_it_and_read_again() => Gen.OneOf(
        Gen.ULong, Gen.UInt.Select(n => (ulong)n), Gen.Byte.Select(n => (ulong)n)).Sample(
        value =>
        {
            var bytes = new byte[10];

            var length = ProtobufWire.WriteVarint(bytes, value);

            bytes.AsSpan(0, length).ToArray().ShouldBe(Written(output => output.WriteUInt64(value)));
            ProtobufWire.VarintSize(value).ShouldBe(length);
            ReadOnlySpan<byte> rest = bytes.AsSpan(0, length);
            ProtobufWire.ReadVarint(ref rest).ShouldBe(value);
            rest.IsEmpty.ShouldBeTrue();
        });

    [Theory]
    [InlineData("")]
    [InlineData("80")]
    [InlineData("FF FF FF FF FF FF FF FF FF FF 01")]
    public void What_has_no_end_within_ten_bytes_is_no_varint(string hex) =>
        Should.Throw<InvalidDataException>(() => Read(hex, (scoped ref ReadOnlySpan<byte> input) => ProtobufWire.ReadVarint(ref input)));

    [Theory]
    [InlineData("")]
    [InlineData("02 01")]
    [InlineData("FF FF FF FF FF FF FF FF FF 01 00")]
    public void A_length_beyond_the_end_is_an_error(string hex) =>
        Should.Throw<InvalidDataException>(() => Read(hex, (scoped ref ReadOnlySpan<byte> input) => ProtobufWire.ReadLen(ref input)));

    [Theory]
    [InlineData(ProtobufWire.Varint, "96 01", 0)]
    [InlineData(ProtobufWire.Fixed64, "01 02 03 04 05 06 07 08 09", 1)]
    [InlineData(ProtobufWire.Len, "02 01 02 03", 1)]
    [InlineData(ProtobufWire.Fixed32, "01 02 03 04", 0)]
    [InlineData(3, "08 01 7C 05", 1)] // a group with a field
    public void A_field_of_any_type_is_skipped(int wireType, string hex, int left) =>
        Read(hex, (scoped ref ReadOnlySpan<byte> input) => ProtobufWire.Skip(ref input, (ulong)((15 << 3) | wireType))).ShouldBe(left);

    [Theory]
    [InlineData(ProtobufWire.Fixed64, "01 02 03 04 05 06 07")]
    [InlineData(ProtobufWire.Fixed32, "01 02 03")]
    [InlineData(3, "08 01")] // a group without its end
    [InlineData(7, "00")] // a type that does not exist
    public void What_is_cut_is_not_skipped(int wireType, string hex) => Should.Throw<InvalidDataException>(
        () => Read(hex, (scoped ref ReadOnlySpan<byte> input) => ProtobufWire.Skip(ref input, (ulong)((15 << 3) | wireType))));

    private delegate void Reading(scoped ref ReadOnlySpan<byte> input);

    // How many bytes are left.
    private static int Read(string hex, Reading read)
    {
        ReadOnlySpan<byte> input = Convert.FromHexString(hex.Replace(" ", ""));
        read(ref input);
        return input.Length;
    }

    private static byte[] Written(Action<CodedOutputStream> write)
    {
        using var bytes = new MemoryStream();
        using (var output = new CodedOutputStream(bytes, leaveOpen: true))
        {
            write(output);
        }

        return bytes.ToArray();
    }
}
