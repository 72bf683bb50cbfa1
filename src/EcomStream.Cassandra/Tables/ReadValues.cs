using EcomStream.Cassandra.Seam;

namespace EcomStream.Cassandra.Tables;

/// <summary>The value of <c>order_id IN ?</c>.</summary>
internal readonly struct OrderIds(IReadOnlyCollection<long> orderIds) : IStatementValues
{
    public void Write<TCells>(ref TCells cells)
        where TCells : struct, ICells =>
        cells.Bigints(orderIds);
}

/// <summary>The value of <c>bucket = ?</c>.</summary>
internal readonly struct BucketOnly(int bucket) : IStatementValues
{
    public void Write<TCells>(ref TCells cells)
        where TCells : struct, ICells =>
        cells.Int(bucket);
}

/// <summary>The values of <c>bucket = ? AND order_id IN ?</c>.</summary>
internal readonly struct BucketAndOrders(int bucket, IReadOnlyCollection<long> orderIds) : IStatementValues
{
    public void Write<TCells>(ref TCells cells)
        where TCells : struct, ICells
    {
        cells.Int(bucket);
        cells.Bigints(orderIds);
    }
}
