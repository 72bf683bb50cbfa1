using System.Threading.Channels;

namespace EcomStream.PubSub.Broker.Delivery;

/// <summary>Wakes one waiter; a signal that nobody waits for is remembered, once.</summary>
internal sealed class AsyncSignal
{
    private readonly Channel<bool> _signals = Channel.CreateBounded<bool>(
        new BoundedChannelOptions(1) { FullMode = BoundedChannelFullMode.DropWrite, SingleReader = true });

    public void Set() => _signals.Writer.TryWrite(true);

    public async ValueTask WaitAsync(CancellationToken cancellationToken) => await _signals.Reader.ReadAsync(cancellationToken);
}
