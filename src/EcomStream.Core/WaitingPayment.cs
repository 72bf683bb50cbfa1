namespace EcomStream.Core;

/// <summary>A payment that waits in the state of its order.</summary>
/// <param name="Message">Its message.</param>
/// <param name="HasRow">
/// Whether its unmatched row is written or is being written. Without one its message is still unacked.
/// </param>
/// <param name="IsGivenUp">
/// Whether it is dead-lettered. It is still known, so that an order that comes now takes it.
/// </param>
public readonly record struct WaitingPayment(PaymentReceived Message, bool HasRow, bool IsGivenUp = false);
