using System.Buffers;
using System.Text;
using EcomStream.PubSub.Broker.Calls;
using EcomStream.PubSub.Broker.Storage;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;

namespace EcomStream.PubSub.Broker.Publishing;

/// <summary>
/// A PublishRequest as it was received: with messages that go into the log as they came, when <see cref="PublishRules"/>
/// can tell by their bytes that they may, and parsed when not.
/// </summary>
internal sealed class RawPublishRequest : IDisposable
{
    private readonly PublishRequest? _unchecked;
    private RawMessages? _allowed;

    private RawPublishRequest(string topic, RawMessages? allowed, PublishRequest? parsed) =>
        (Topic, _allowed, _unchecked) = (topic, allowed, parsed);

    /// <summary>The topic's name.</summary>
    public string Topic { get; }

    /// <summary>Reads what a publisher sent.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: the bytes are no PublishRequest.</exception>
    public static RawPublishRequest Read(ReadOnlySequence<byte> request)
    {
        // A larger one is not copied, for it may not be published.
        if (request.Length <= PublishRules.MaxRequestBytes)
        {
            var length = (int)request.Length;
            var bytes = RawMessages.Rent(length);
            request.CopyTo(bytes);
            if (PublishRules.Allow(bytes.AsSpan(0, length), out var topic, out var count))
            {
                return new RawPublishRequest(Encoding.UTF8.GetString(topic), new RawMessages(bytes, length, count), null);
            }

            RawMessages.Return(bytes);
        }

        try
        {
            var parsed = PublishRequest.Parser.ParseFrom(request);
            return new RawPublishRequest(parsed.Topic, null, parsed);
        }
        catch (InvalidProtocolBufferException broken)
        {
            // Any other status would have clients send it again and again.
            throw ServiceCalls.Invalid($"The request is not a PublishRequest: {broken.Message}");
        }
    }

    /// <summary>Its messages, to be stored. They are the caller's to dispose, and can be taken once.</summary>
    /// <exception cref="Grpc.Core.RpcException">INVALID_ARGUMENT: it may not be published.</exception>
    public RawMessages TakeChecked()
    {
        if (_unchecked is null)
        {
            var allowed = _allowed ?? throw new InvalidOperationException("The messages were taken before.");
            _allowed = null;
            return allowed;
        }

        PublishRules.Check(_unchecked);
        return RawMessages.Of(_unchecked.Messages);
    }

    public void Dispose() => _allowed?.Dispose();
}
