using System.Buffers;
using EcomStream.PubSub.Protocol;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;

namespace EcomStream.PubSub.Broker.Storage;

/// <summary>
/// Messages to be appended, in their wire form: a serialized PublishRequest, whose messages go into the log as they are,
/// with what the log gives them (<see cref="MessageStamp"/>) behind it.
/// </summary>
internal sealed class RawMessages : IDisposable
{
    // What is larger is not kept for the next one.
    private const int LargestPooled = 1 << 20;

    private byte[] _request;

    /// <param name="request">
    /// From <see cref="Rent"/>, and given back when the messages are disposed: a serialized PublishRequest whose fields are
    /// all of wire type LEN and whose messages have no id and no publish time.
    /// </param>
    /// <param name="length">Its bytes.</param>
    /// <param name="count">Its messages.</param>
    public RawMessages(byte[] request, int length, int count) => (_request, Length, Count) = (request, length, count);

    /// <summary>How many they are.</summary>
    public int Count { get; }

    /// <summary>Bytes of all, with the tags and lengths between them.</summary>
    public int Length { get; }

    /// <summary>Serializes messages. They are changed: what a publisher says of their id and publish time does not count.</summary>
    public static RawMessages Of(IEnumerable<PubsubMessage> messages)
    {
        var request = new PublishRequest { Messages = { messages } };
        foreach (var message in request.Messages)
        {
            message.MessageId = "";
            message.PublishTime = null;
        }

        var length = request.CalculateSize();
        var bytes = Rent(length);
        request.WriteTo(bytes.AsSpan(0, length));
        return new RawMessages(bytes, length, request.Messages.Count);
    }

    /// <summary>The messages as objects.</summary>
    public PublishRequest Parse() => PublishRequest.Parser.ParseFrom(_request.AsSpan(0, Length));

    /// <summary>Each a serialized PubsubMessage without id and publish time.</summary>
    public Enumerator GetEnumerator() => new(_request.AsSpan(0, Length));

    public void Dispose() => Return(Interlocked.Exchange(ref _request, []));

    /// <summary>Room for a request.</summary>
    public static byte[] Rent(int length) => length <= LargestPooled ? ArrayPool<byte>.Shared.Rent(length) : new byte[length];

    public static void Return(byte[] request)
    {
        if (request.Length is > 0 and <= LargestPooled)
        {
            ArrayPool<byte>.Shared.Return(request);
        }
    }

    public ref struct Enumerator(ReadOnlySpan<byte> request)
    {
        private ReadOnlySpan<byte> _rest = request;

        /// <summary>The message; valid until the messages are disposed.</summary>
        public ReadOnlySpan<byte> Current { get; private set; }

        public bool MoveNext()
        {
            while (!_rest.IsEmpty)
            {
                var tag = ProtobufWire.ReadVarint(ref _rest);
                Current = ProtobufWire.ReadLen(ref _rest);
                if (tag == ((PublishRequest.MessagesFieldNumber << 3) | ProtobufWire.Len))
                {
                    return true;
                }
            }

            return false;
        }
    }
}
