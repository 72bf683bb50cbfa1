using EcomStream.Cassandra.Seam;

namespace EcomStream.Cassandra.Tables;

/// <summary>The value of <c>order_id IN ?</c>.</summary>
internal readonly struct OrderIds(IReadOnlyCollection<long> orderIds) : IStatementValues
{
    public void Write<TCells>(ref TCells cells)
        where TCells : struct, ICells =>
        cells.Bigints(orderIds);
}

/// <summary>The values of <see cref="FactStatements.CheckAccess"/>: no order at all.</summary>
internal readonly struct NoOrders : IStatementValues
{
    public void Write<TCells>(ref TCells cells)
        where TCells : struct, ICells
    {
        cells.Bigint(1);
        cells.Bigints([]);
    }
}

/// <summary>The values of <see cref="UnmatchedStatements.CheckAccess"/>: no order at all.</summary>
internal readonly struct NoUnmatchedOrders : IStatementValues
{
    public void Write<TCells>(ref TCells cells)
        where TCells : struct, ICells
    {
        cells.Bigint(1);
        cells.Int(0);
        cells.Bigints([]);
        cells.Text("");
    }
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

/// <summary>The primary key of an unmatched row.</summary>
/// <param name="orderId">The order.</param>
/// <param name="paymentKey">The payment's key.</param>
internal readonly struct UnmatchedRowKey(long orderId, string paymentKey) : IStatementValues
{
    public void Write<TCells>(ref TCells cells)
        where TCells : struct, ICells
    {
        cells.Int(UnmatchedStatements.Bucket(orderId));
        cells.Bigint(orderId);
        cells.Text(paymentKey);
    }
}
