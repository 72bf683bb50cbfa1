using Akka.Actor;

namespace EcomStream.Actors;

/// <summary>What is under way and pending for one order in its writer.</summary>
internal sealed class OrderWork(long orderId)
{
    // One, usually, or a list: an order's actor that failed asks again before it is answered.
    private object? _readers;

    public long OrderId { get; } = orderId;

    /// <summary>What is written next.</summary>
    public PendingWrite? Pending { get; set; }

    /// <summary>What is being written.</summary>
    public PendingWrite? Current { get; set; }

    /// <summary>Whether it is being read.</summary>
    public bool Reading { get; set; }

    /// <summary>Whether somebody waits for a read.</summary>
    public bool HasReaders => _readers is not null;

    public bool InFlight => Current is not null || Reading;

    /// <summary>Somebody waits for a read.</summary>
    public void Add(LoadOrder reader)
    {
        switch (_readers)
        {
            case null:
                _readers = reader;
                break;
            case LoadOrder first:
                _readers = new List<LoadOrder> { first, reader };
                break;
            case List<LoadOrder> several:
                several.Add(reader);
                break;
        }
    }

    /// <summary>Answers all who wait.</summary>
    public void Answer(LoadedOrder order)
    {
        if (_readers is LoadOrder only)
        {
            Answer(only, order);
        }
        else
        {
            foreach (var reader in (List<LoadOrder>)_readers!)
            {
                Answer(reader, order);
            }
        }

        _readers = null;
    }

    private static void Answer(LoadOrder reader, LoadedOrder order) =>
        reader.ReplyTo.Tell(
            new OrderLoaded(reader.OrderId, reader.Correlation, order.Row, order.Unmatched, order.HasMore), ActorRefs.NoSender);
}
