namespace EcomStream.Chaos.Load;

/// <summary>Publishes the shop's messages and tells which ones the broker has confirmed.</summary>
internal interface ILoadClient : IAsyncDisposable
{
    /// <summary>The client's name, for the report.</summary>
    string Name { get; }

    /// <summary>Completes when the broker has confirmed the message; it is sent again until then.</summary>
    Task PublishAsync(ShopMessage message, CancellationToken cancellationToken);
}
