namespace EcomStream.Core;

/// <summary>Which shard an order belongs to.</summary>
public static class Shards
{
    /// <summary>
    /// The shard of an order, 0 to <paramref name="shards"/> - 1. It depends on the two numbers only, so every node
    /// and every version agrees. The ids are mixed first (the 64-bit finalizer of MurmurHash3), because shops number
    /// their orders in sequences.
    /// </summary>
    public static int Of(long orderId, int shards)
    {
        var hash = (ulong)orderId;
        hash ^= hash >> 33;
        hash *= 0xff51afd7ed558ccdUL;
        hash ^= hash >> 33;
        hash *= 0xc4ceb9fe1a85ec53UL;
        hash ^= hash >> 33;
        return (int)(hash % (uint)shards);
    }
}
