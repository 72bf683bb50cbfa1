using System.Buffers;
using Grpc.Core;

namespace EcomStream.PubSub.Protocol;

/// <summary>Marshallers of messages that this side of a call only writes or only reads.</summary>
internal static class OneWayMarshaller
{
    /// <param name="size">How many bytes a message has.</param>
    /// <param name="write">Writes just as many.</param>
    public static Marshaller<T> Writing<T>(Func<T, int> size, Action<T, IBufferWriter<byte>> write) => Marshallers.Create<T>(
        (message, context) =>
        {
            context.SetPayloadLength(size(message));
            write(message, context.GetBufferWriter());
            context.Complete();
        },
        _ => throw new NotSupportedException($"{typeof(T).Name} is only written here."));

    /// <param name="read">Reads a message; its bytes are there only as long as it does.</param>
    public static Marshaller<T> Reading<T>(Func<ReadOnlySequence<byte>, T> read) => Marshallers.Create<T>(
        (_, _) => throw new NotSupportedException($"{typeof(T).Name} is only read here."),
        context => read(context.PayloadAsReadOnlySequence()));
}
