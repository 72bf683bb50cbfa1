using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Commands of one lane on their way through the <see cref="UnmatchedWriter"/>.</summary>
/// <param name="rowOrderId">The lane.</param>
/// <param name="commands">The commands.</param>
internal sealed class UnmatchedWork(long rowOrderId, IReadOnlyList<UnmatchedCommand> commands)
{
    // How many rows the writer had written when the store first rejected a row that must have its data, by payment key.
    private Dictionary<string, long>? _rejectedAt;

    /// <summary>The order id in the key of the rows.</summary>
    public long RowOrderId { get; } = rowOrderId;

    /// <summary>The commands.</summary>
    public IReadOnlyList<UnmatchedCommand> Commands { get; } = commands;

    /// <summary>Whether the order's unjoined payments are read, so that the index can be set.</summary>
    public bool ReadsUnjoined { get; } = commands.Any(command => command.MayEndWaiting);

    /// <summary>The dead letters that are still to be published.</summary>
    public IEnumerable<PendingDeadLetter> Unpublished => Ledger!.DeadLetters.Where(letter => !Published.ContainsKey(letter.Key)).Select(letter => letter.Value);

    /// <summary>Whether all payments of the order that wait were read.</summary>
    public bool KnowsWaiting { get; private set; }

    /// <summary>Whether all payments of the order that an order would heal were read.</summary>
    public bool KnowsHealable { get; private set; }

    /// <summary>Whether all unjoined payments of the order were read.</summary>
    public bool KnowsUnjoined { get; private set; }

    /// <summary>Dead letters that were published, by id. Work that is decided again publishes none of them again.</summary>
    public Dictionary<string, PendingDeadLetter> Published { get; } = [];

    /// <summary>What the commands do; null until the rows are read.</summary>
    public UnmatchedLedger? Ledger { get; private set; }

    /// <summary>Rows that are written without their data, because the store rejected them with it, by payment key.</summary>
    public HashSet<string>? WithoutData { get; private set; }

    /// <summary>Rows that are not written, because the store rejects them, by payment key.</summary>
    public HashSet<string>? Rejected { get; private set; }

    /// <summary>Payments that cannot wait because the store rejects their rows, with its reason.</summary>
    public Dictionary<PaymentReceived, string>? CannotWait { get; private set; }

    /// <summary>Whether a write of it has failed, which may have taken effect all the same.</summary>
    public bool WasWritten { get; set; }

    /// <summary>How often it was decided again because another program had changed a row.</summary>
    public int TimesStale { get; set; }

    /// <summary>Ids of the rows that were to be healed, also by an attempt that seemed to fail.</summary>
    public HashSet<string>? Healed { get; set; }

    /// <summary>Decides anew: nothing is known of the rows.</summary>
    /// <param name="ledger">The ledger, without rows.</param>
    public void Begin(UnmatchedLedger ledger) => (Ledger, WithoutData, Rejected, CannotWait) = (ledger, null, null, null);

    /// <summary>Adds the order's unjoined payments as they were read: those that wait first, the discarded ones last.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="limit">At most this many were to be read.</param>
    public void AddUnjoined(IEnumerable<UnmatchedPayment> rows, int limit)
    {
        var (waiting, healable, unjoined) = (0, 0, 0);
        foreach (var row in rows)
        {
            Ledger!.AddExisting(row);
            waiting += row.State == UnmatchedState.Waiting ? 1 : 0;
            healable += row.IsHealable ? 1 : 0;
            unjoined++;
        }

        (KnowsWaiting, KnowsHealable, KnowsUnjoined) = (waiting < limit, healable < limit, unjoined < limit);
    }

    /// <summary>The rows to write.</summary>
    public IEnumerable<UnmatchedPayment> RowsToWrite => Ledger!.Changed
        .Where(row => Rejected?.Contains(row.PaymentKey) != true)
        .Select(row => WithoutData?.Contains(row.PaymentKey) == true ? row with { Data = default, AttributesJson = MessageAttributes.None } : row);

    /// <summary>
    /// Whether a row may be written without its data: a dead letter has the data, or the row has never had that of its message. A
    /// payment that waits cannot be joined without it.
    /// </summary>
    public bool MayLackData(UnmatchedPayment row) =>
        (Published.TryGetValue(row.Id, out var letter) && letter.Message.Attributes.GetValueOrDefault(DeadLetter.SourceMessageId, row.MessageId) == row.MessageId)
        || (Ledger!.Existing(row.PaymentKey) is { Data.IsEmpty: true } before && before.MessageId == row.MessageId && before.Subscription == row.Subscription);

    /// <summary>Whether a payment is dead-lettered because the store rejects its row.</summary>
    public bool IsGivenUp(PaymentReceived payment) => CannotWait?.ContainsKey(payment) == true;

    /// <summary>Whether the payments of a row are dead-lettered because the store rejects it.</summary>
    public bool IsGivenUp(UnmatchedPayment row) => CannotWait?.Keys.Any(payment => payment.Key == row.PaymentKey) == true;

    /// <summary>
    /// The store has rejected a row that must have its data. If it has rejected the row before and accepted others since, the row
    /// alone is at fault, and the payments that would wait in it are dead-lettered instead.
    /// </summary>
    /// <param name="row">The row.</param>
    /// <param name="rowsWritten">How many rows the writer has written.</param>
    /// <param name="why">The reason of the store.</param>
    /// <returns>False when the row is to be written again.</returns>
    public bool TryGiveUp(UnmatchedPayment row, long rowsWritten, string why)
    {
        if ((_rejectedAt ??= []).TryAdd(row.PaymentKey, rowsWritten) || _rejectedAt[row.PaymentKey] == rowsWritten)
        {
            return false;
        }

        var payments = Commands.OfType<ParkPayments>().SelectMany(park => park.Payments).Where(payment => payment.Key == row.PaymentKey).ToList();
        if (row.State != UnmatchedState.Waiting || payments.Count == 0)
        {
            return false;
        }

        (Rejected ??= []).Add(row.PaymentKey);
        foreach (var payment in payments)
        {
            (CannotWait ??= [])[payment] = why;
        }

        return true;
    }

    /// <summary>The store has rejected a row that may lack its data: it is to be written without the data or, after that, not at all.</summary>
    /// <returns>Whether it is to be written without its data.</returns>
    public bool Reject(UnmatchedPayment row)
    {
        if ((WithoutData ??= []).Add(row.PaymentKey))
        {
            return true;
        }

        (Rejected ??= []).Add(row.PaymentKey);
        return false;
    }
}

/// <summary>Work that goes to the store or to a topic together, and is split when one part of it fails for good.</summary>
/// <param name="Works">The parts.</param>
internal sealed record UnmatchedBatch(IReadOnlyList<UnmatchedWork> Works)
{
    /// <summary>Failed attempts of the current step.</summary>
    public int Failures { get; init; }

    /// <summary>The two halves, to find the part that fails.</summary>
    public (UnmatchedBatch First, UnmatchedBatch Second) Split() =>
        (new UnmatchedBatch([.. Works.Take(Works.Count / 2)]), new UnmatchedBatch([.. Works.Skip(Works.Count / 2)]));
}
