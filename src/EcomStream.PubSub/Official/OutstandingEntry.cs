using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>A message that a client with callbacks has received, in an <see cref="OutstandingLedger"/>.</summary>
/// <param name="ackId">The id of the delivery.</param>
/// <param name="messageId">The message's id.</param>
/// <param name="publishTimeMicros">Its publish time, microseconds since the Unix epoch.</param>
/// <param name="bytes">Bytes of its data and attributes.</param>
/// <param name="owner">What received it; when that ends, the entry is removed.</param>
internal sealed class OutstandingEntry(string ackId, string messageId, long publishTimeMicros, long bytes, object owner)
{
    public string AckId => ackId;

    public string MessageId => messageId;

    public long PublishTimeMicros => publishTimeMicros;

    public long Bytes => bytes;

    public object Owner => owner;

    /// <summary>What was handed to the callback; null until then.</summary>
    public Delivery? Delivery { get; set; }

    /// <summary>Gives the message back; null until it is handed to the callback.</summary>
    public Action? GiveBack { get; set; }

    /// <summary>The settlements that it was asked for among; null until it is asked for. Guarded by the ledger's lock.</summary>
    public SettlementRound? Round { get; set; }
}

/// <summary>Settlements that were asked for between two flushes. Guarded by the ledger's lock.</summary>
internal sealed class SettlementRound
{
    /// <summary>Settlements that the client has not reported as done.</summary>
    public int Pending { get; set; }

    /// <summary>Completes when a flush has closed the round and nothing is pending.</summary>
    public TaskCompletionSource Done { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);
}
