namespace EcomStream.Core;

/// <summary>A payment that waits in the state of its order.</summary>
/// <param name="Message">Its message.</param>
/// <param name="HasRow">
/// Whether its unmatched row is written or is being written. Without one its message is still unacked.
/// </param>
/// <param name="IsGivenUp">
/// Whether it is dead-lettered. It stays known, so that an order that comes later is joined with it.
/// </param>
public readonly record struct WaitingPayment(PaymentReceived Message, bool HasRow, bool IsGivenUp = false);

/// <summary>A payment that was read from its unmatched row.</summary>
/// <param name="Message">Its message.</param>
/// <param name="IsGivenUp">Whether it is dead-lettered.</param>
public readonly record struct UnmatchedMessage(PaymentReceived Message, bool IsGivenUp = false);
