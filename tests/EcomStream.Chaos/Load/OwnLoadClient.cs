using System.Collections.Frozen;
using System.Text;
using System.Threading.Channels;
using Akka.Configuration;
using EcomStream.Core;
using EcomStream.PubSub;

namespace EcomStream.Chaos.Load;

/// <summary>EcomStream's own publisher, as <c>ecomstream produce</c> uses it.</summary>
internal sealed class OwnLoadClient : ILoadClient
{
    private const int BatchSize = 500;

    private readonly PubSubConnection _connection;
    private readonly PubSubPublisher _publisher;
    private readonly CancellationTokenSource _stop = new();
    private readonly Channel<(ShopMessage Message, TaskCompletionSource Confirmed)> _orders = NewChannel();
    private readonly Channel<(ShopMessage Message, TaskCompletionSource Confirmed)> _payments = NewChannel();
    private readonly Task _loops;

    public OwnLoadClient(string endpoint)
    {
        _connection = PubSubConnection.Create(PubSubSettings.Read(ConfigurationFactory.ParseString(
            "ecomstream.pubsub { publisher.request-timeout = 5s, retry.max-backoff = 1s }").WithFallback(PubSubSettings.Reference), endpoint));
        _publisher = new PubSubPublisher(_connection);
        _loops = Task.WhenAll(Task.Run(() => PublishAsync(_orders.Reader)), Task.Run(() => PublishAsync(_payments.Reader)));
    }

    public string Name => "EcomStream's publisher";

    public async Task PublishAsync(ShopMessage message, CancellationToken cancellationToken)
    {
        var confirmed = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        await (message.IsOrder ? _orders : _payments).Writer.WriteAsync((message, confirmed), cancellationToken);
        await confirmed.Task.WaitAsync(cancellationToken);
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _loops;
        await _publisher.DisposeAsync();
        _connection.Dispose();
        _stop.Dispose();
    }

    private static Channel<(ShopMessage, TaskCompletionSource)> NewChannel() => Channel.CreateUnbounded<(ShopMessage, TaskCompletionSource)>();

    private async Task PublishAsync(ChannelReader<(ShopMessage Message, TaskCompletionSource Confirmed)> queue)
    {
        var batch = new List<(ShopMessage Message, TaskCompletionSource Confirmed)>();
        try
        {
            while (await queue.WaitToReadAsync(_stop.Token))
            {
                batch.Clear();
                while (batch.Count < BatchSize && queue.TryRead(out var next))
                {
                    batch.Add(next);
                }

                await _publisher.PublishAsync(batch[0].Message.Topic, [.. batch.Select(one => Outgoing(one.Message))], _stop.Token);
                batch.ForEach(one => one.Confirmed.TrySetResult());
            }
        }
        catch (OperationCanceledException)
        {
            // The run is over.
        }
        catch (Exception failed)
        {
            batch.ForEach(one => one.Confirmed.TrySetException(failed));
        }
    }

    private static OutgoingMessage Outgoing(ShopMessage message) => new(
        Encoding.UTF8.GetBytes(message.Data),
        new Dictionary<string, string> { [ShopMessage.NumberAttribute] = $"{message.Number}" }.ToFrozenDictionary());
}
