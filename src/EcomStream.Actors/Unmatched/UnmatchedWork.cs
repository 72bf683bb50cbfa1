using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>Commands of one lane on their way through the <see cref="UnmatchedWriter"/>.</summary>
/// <param name="rowOrderId">The lane.</param>
/// <param name="commands">The commands.</param>
internal sealed class UnmatchedWork(long rowOrderId, IReadOnlyList<UnmatchedCommand> commands)
{
    /// <summary>The order id in the key of the rows.</summary>
    public long RowOrderId { get; } = rowOrderId;

    /// <summary>The commands.</summary>
    public IReadOnlyList<UnmatchedCommand> Commands { get; } = commands;

    /// <summary>Whether the order's unjoined payments are read, so that the index can be set.</summary>
    public bool ReadsUnjoined { get; } = commands.Any(command => command.MayEndWaiting);

    /// <summary>Whether there may be such rows that were not read.</summary>
    public bool HasMore { get; set; }

    /// <summary>What the commands do; null until the rows are read.</summary>
    public UnmatchedLedger? Ledger { get; set; }

    /// <summary>The rows without their data, after the store rejected a row with it.</summary>
    public bool WithoutData { get; set; }

    /// <summary>The rows to write.</summary>
    public IEnumerable<UnmatchedPayment> RowsToWrite =>
        WithoutData ? Ledger!.Changed.Select(row => row with { Data = default, AttributesJson = MessageAttributes.None }) : Ledger!.Changed;
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
