using EcomStream.Cassandra.Seam;
using EcomStream.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.Cassandra;

/// <summary>
/// Finds out whether a refused row is at fault or the system: a guardrail, a full disk, a consistency level that is not
/// allowed, or a changed schema refuses every row. A row is at fault only if a row that was accepted before, with a value
/// in each of its columns, is accepted again now. Writing that one again changes nothing: it has its own timestamp.
/// </summary>
/// <param name="logger">Where refusals are logged, with the server's words.</param>
/// <param name="time">The clock.</param>
internal sealed partial class RefusalCheck(ILogger logger, TimeProvider time)
{
    private static readonly TimeSpan _logEvery = TimeSpan.FromSeconds(30);

    private readonly Lock _lock = new();
    private Probe? _order;
    private Probe? _payment;
    private Probe? _unmatched;
    private long _logged;

    /// <summary>Facts were written.</summary>
    public void Accepted(IReadOnlyList<FactWrite> writes)
    {
        foreach (var write in writes)
        {
            // Once there is a row with a value in every column, none is fuller.
            if (write.Order is { } order && Volatile.Read(ref _order) is not { IsFull: true } && IsFuller(Columns(order), _order))
            {
                Volatile.Write(ref _order, new Probe(Columns(order), write with { Payment = null }, null));
            }

            if (write.Payment is { } payment && Volatile.Read(ref _payment) is not { IsFull: true } && IsFuller(Columns(payment), _payment))
            {
                Volatile.Write(ref _payment, new Probe(Columns(payment), write with { Order = null }, null));
            }
        }
    }

    /// <summary>An unmatched row was written.</summary>
    /// <param name="row">The row.</param>
    /// <param name="timestamp">Its write timestamp.</param>
    public void Accepted(UnmatchedPayment row, long timestamp) => Volatile.Write(ref _unmatched, new Probe(0, null, (row, timestamp)));

    /// <summary>The error to throw for refused facts.</summary>
    /// <param name="writes">What was refused.</param>
    /// <param name="fault">The refusal.</param>
    /// <param name="write">Writes one row.</param>
    public async Task<bool> IsRowAtFaultAsync(IReadOnlyList<FactWrite> writes, CqlFault fault, Func<FactWrite, Task> write)
    {
        var orders = writes.Where(w => w.Order is not null).Aggregate(0, (columns, w) => columns | Columns(w.Order!));
        var payments = writes.Where(w => w.Payment is not null).Aggregate(0, (columns, w) => columns | Columns(w.Payment!));
        var passes = true;
        var any = false;
        foreach (var (probe, wanted) in new[] { (Volatile.Read(ref _order), orders), (Volatile.Read(ref _payment), payments) })
        {
            if (wanted == 0)
            {
                continue;
            }

            any = true;
            passes = passes && probe is not null && (probe.Columns & wanted) == wanted && await PassesAsync(() => write(probe.Fact!));
        }

        return Report(any && passes, writes.Count, fault);
    }

    /// <summary>Whether refused unmatched rows are at fault.</summary>
    public async Task<bool> IsRowAtFaultAsync(int rows, CqlFault fault, Func<(UnmatchedPayment Row, long Timestamp), Task> write) =>
        Report(Volatile.Read(ref _unmatched) is { } probe && await PassesAsync(() => write(probe.Unmatched!.Value)), rows, fault);

    private static bool IsFuller(int columns, Probe? probe) => probe is null || int.PopCount(columns) > int.PopCount(probe.Columns);

    private static async Task<bool> PassesAsync(Func<Task> write)
    {
        try
        {
            await write();
            return true;
        }
        catch (CqlFault)
        {
            return false;
        }
    }

    // A bit for the row itself and one for each column that has a value.
    private static int Columns(Order order) =>
        1 | Bit(1, order.CustomerId) | Bit(2, order.Item) | Bit(3, order.Quantity) | Bit(4, order.Price) | Bit(5, order.ShippingAddress)
        | Bit(6, order.OrderStatus) | Bit(7, order.CreationDate);

    private static int Columns(Payment payment) =>
        1 | Bit(1, payment.PaymentId) | Bit(2, payment.PaymentMethod) | Bit(3, payment.CardLastFour) | Bit(4, payment.PaymentStatus)
        | Bit(5, payment.PaymentDatetime);

    private static int Bit<T>(int column, T value) => value is null ? 0 : 1 << column;

    private bool Report(bool isRowAtFault, int rows, CqlFault fault)
    {
        var now = time.GetTimestamp();
        lock (_lock)
        {
            if (_logged != 0 && time.GetElapsedTime(_logged, now) < _logEvery)
            {
                return isRowAtFault;
            }

            _logged = now;
        }

        if (isRowAtFault)
        {
            LogRejected(logger, rows, fault.ServerMessage);
        }
        else
        {
            LogRefused(logger, rows, fault.ServerMessage);
        }

        return isRowAtFault;
    }

    [LoggerMessage(Level = LogLevel.Warning, Message = "Cassandra refused a batch of {Rows} rows because of what is in it, as it accepts another row: {ServerMessage}")]
    private static partial void LogRejected(ILogger logger, int rows, string serverMessage);

    [LoggerMessage(Level = LogLevel.Warning, Message =
        "Cassandra refused {Rows} rows and does not accept a row that it accepted before, or none was accepted yet; nothing is rejected, and the rows are written again: {ServerMessage}")]
    private static partial void LogRefused(ILogger logger, int rows, string serverMessage);

    private sealed record Probe(int Columns, FactWrite? Fact, (UnmatchedPayment Row, long Timestamp)? Unmatched)
    {
        private const int FullOrder = (1 << 8) - 1;
        private const int FullPayment = (1 << 6) - 1;

        public bool IsFull { get; } = Columns == (Fact?.Order is not null ? FullOrder : FullPayment);
    }
}
