namespace EcomStream.Actors;

/// <summary>The live orders of one shard from the least to the most recently used: an intrusive doubly linked list.</summary>
internal sealed class OrderRecency
{
    private OrderSlot? _newest;

    public OrderSlot? Oldest { get; private set; }

    public void Add(OrderSlot slot)
    {
        slot.Older = _newest;
        slot.Newer = null;
        if (_newest is null)
        {
            Oldest = slot;
        }
        else
        {
            _newest.Newer = slot;
        }

        _newest = slot;
    }

    public void Remove(OrderSlot slot)
    {
        if (slot.Older is null)
        {
            Oldest = slot.Newer;
        }
        else
        {
            slot.Older.Newer = slot.Newer;
        }

        if (slot.Newer is null)
        {
            _newest = slot.Older;
        }
        else
        {
            slot.Newer.Older = slot.Older;
        }

        slot.Older = slot.Newer = null;
    }

    public void MoveToNewest(OrderSlot slot)
    {
        if (slot != _newest)
        {
            Remove(slot);
            Add(slot);
        }
    }
}
