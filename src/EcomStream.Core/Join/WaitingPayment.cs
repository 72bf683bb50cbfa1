namespace EcomStream.Core;

/// <summary>A payment that waits in the state of its order.</summary>
/// <param name="Message">Its message.</param>
/// <param name="HasRow">
/// Whether its unmatched row is written or is being written. Without one its message is still unacked.
/// </param>
/// <param name="IsGivenUp">
/// Whether it is dead-lettered. An order that is being decided is joined with it; after that only its row is kept.
/// </param>
public readonly record struct WaitingPayment(PaymentReceived Message, bool HasRow, bool IsGivenUp = false);

/// <summary>A payment that was read from its unmatched row.</summary>
/// <param name="Message">Its message.</param>
/// <param name="IsGivenUp">Whether it is dead-lettered.</param>
public readonly record struct UnmatchedMessage(PaymentReceived Message, bool IsGivenUp = false);
