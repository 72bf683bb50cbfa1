using System.Collections.Concurrent;

namespace EcomStream.Hosting;

/// <summary>What is done to dead letters.</summary>
internal enum DeadLetterAction
{
    /// <summary>Publish them again to the topics that they came from.</summary>
    Replay,

    /// <summary>Give them up.</summary>
    Discard,
}

/// <summary>The progress of an operation on many dead letters. Thread-safe.</summary>
internal sealed class DeadLetterOperation(string id, DeadLetterAction action, int total)
{
    private int _done;
    private int _skipped;
    private volatile string? _error;
    private volatile bool _isFinished;

    /// <summary>Names the operation.</summary>
    public string Id { get; } = id;

    /// <summary>What is done.</summary>
    public DeadLetterAction Action { get; } = action;

    /// <summary>Rows that were selected.</summary>
    public int Total { get; } = total;

    /// <summary>Rows that were handled.</summary>
    public int Done => Volatile.Read(ref _done);

    /// <summary>Rows that were not in a state that allows it any more.</summary>
    public int Skipped => Volatile.Read(ref _skipped);

    /// <summary>Why it ended early; null when it did not.</summary>
    public string? Error => _error;

    /// <summary>Whether it has ended.</summary>
    public bool IsFinished => _isFinished;

    /// <summary>A batch was handled.</summary>
    public void Advance(int done, int skipped)
    {
        Interlocked.Add(ref _done, done);
        Interlocked.Add(ref _skipped, skipped);
    }

    /// <summary>The operation has ended.</summary>
    public void Finish(string? error = null)
    {
        _error = error;
        _isFinished = true;
    }
}

/// <summary>The operations of a process; the latest fifty are kept.</summary>
internal sealed class DeadLetterOperationLog
{
    private const int Kept = 50;

    private readonly ConcurrentDictionary<string, DeadLetterOperation> _byId = new();
    private readonly ConcurrentQueue<string> _order = new();
    private int _number;

    /// <summary>Adds an operation.</summary>
    public DeadLetterOperation Add(DeadLetterAction action, int total)
    {
        var operation = new DeadLetterOperation($"{Interlocked.Increment(ref _number)}", action, total);
        _byId[operation.Id] = operation;
        _order.Enqueue(operation.Id);
        if (_order.Count > Kept && _order.TryDequeue(out var oldest))
        {
            _byId.TryRemove(oldest, out _);
        }

        return operation;
    }

    /// <summary>The operation with an id; null when it is not known.</summary>
    public DeadLetterOperation? Find(string id) => _byId.GetValueOrDefault(id);
}
