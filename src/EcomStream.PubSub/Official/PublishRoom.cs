namespace EcomStream.PubSub;

/// <summary>
/// Bounds the messages and bytes that a publisher has taken and the service has not, for a client without flow control.
/// Waiters get room in the order in which they asked. A request that is larger than the bounds goes alone. Thread-safe.
/// </summary>
/// <param name="maxMessages">Messages at most.</param>
/// <param name="maxBytes">Bytes at most.</param>
internal sealed class PublishRoom(int maxMessages, long maxBytes)
{
    private readonly Lock _lock = new();
    private readonly LinkedList<Waiter> _waiters = [];
    private int _messages;
    private long _bytes;

    /// <summary>Takes room; completes when there is enough.</summary>
    /// <param name="messages">Messages.</param>
    /// <param name="bytes">Their bytes.</param>
    /// <param name="cancellationToken">Stops waiting; nothing is taken then.</param>
    public async ValueTask TakeAsync(int messages, long bytes, CancellationToken cancellationToken)
    {
        LinkedListNode<Waiter> node;
        lock (_lock)
        {
            if (_waiters.Count == 0 && HasRoom(messages, bytes))
            {
                Take(messages, bytes);
                return;
            }

            node = _waiters.AddLast(new Waiter(messages, bytes));
        }

        try
        {
            await node.Value.Granted.Task.WaitAsync(cancellationToken);
        }
        catch (OperationCanceledException)
        {
            lock (_lock)
            {
                if (node.List is not null)
                {
                    _waiters.Remove(node);
                    Grant();
                    throw;
                }
            }

            // It was granted in the same moment.
            Return(messages, bytes);
            throw;
        }
    }

    /// <summary>Gives room back.</summary>
    public void Return(int messages, long bytes)
    {
        lock (_lock)
        {
            (_messages, _bytes) = (_messages - messages, _bytes - bytes);
            Grant();
        }
    }

    private bool HasRoom(int messages, long bytes) =>
        _messages == 0 || (_messages + messages <= maxMessages && _bytes + bytes <= maxBytes);

    private void Take(int messages, long bytes) => (_messages, _bytes) = (_messages + messages, _bytes + bytes);

    private void Grant()
    {
        while (_waiters.First is { Value: var next } && HasRoom(next.Messages, next.Bytes))
        {
            _waiters.RemoveFirst();
            Take(next.Messages, next.Bytes);
            next.Granted.SetResult();
        }
    }

    private sealed record Waiter(int Messages, long Bytes)
    {
        public TaskCompletionSource Granted { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
    }
}
