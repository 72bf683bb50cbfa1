using System.Globalization;
using EcomStream.Core;

namespace EcomStream.Testing;

/// <summary>A publisher that remembers what it was given.</summary>
public sealed class InMemoryPublisher : IPublisher
{
    private readonly Lock _lock = new();
    private readonly List<(string Topic, OutgoingMessage Message)> _published = [];

    /// <summary>Runs before each publish takes effect.</summary>
    public Func<string, Task>? BeforeCall { get; set; }

    /// <summary>Runs before a batch is published, with the batch; what it throws is the result.</summary>
    public Action<string, IReadOnlyList<OutgoingMessage>>? BeforePublish { get; set; }

    /// <summary>What was published, in order.</summary>
    public IReadOnlyList<(string Topic, OutgoingMessage Message)> Published
    {
        get
        {
            lock (_lock)
            {
                return [.. _published];
            }
        }
    }

    /// <inheritdoc/>
    public async Task<IReadOnlyList<string>> PublishAsync(
        string topic, IReadOnlyList<OutgoingMessage> messages, CancellationToken cancellationToken)
    {
        if (BeforeCall is { } hook)
        {
            await hook(topic);
        }

        BeforePublish?.Invoke(topic, messages);

        lock (_lock)
        {
            _published.AddRange(messages.Select(message => (topic, message)));
            return [.. messages.Select((_, i) => (_published.Count - messages.Count + i).ToString(CultureInfo.InvariantCulture))];
        }
    }

    /// <inheritdoc/>
    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
