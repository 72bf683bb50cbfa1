using EcomStream.Core;

namespace EcomStream.Actors.Tests;

/// <summary>The answers to requests of an order's actor, with the request's correlation id, and commands for one order.</summary>
internal static class Answers
{
    public static OrderLoaded Answer(this LoadOrder load, OrderFact? row = null, params PaymentReceived[] unmatched) =>
        new(load.OrderId, load.Correlation, row, [.. unmatched.Select(message => new UnmatchedMessage(message))], HasMore: false);

    public static PaymentsParked Answer(this ParkPayments park) => new(park.OrderId, park.Correlation);

    public static PaymentsDeadLettered Answer(this DeadLetterPayments deadLetters) => new(deadLetters.OrderId, deadLetters.Correlation);

    public static ParkPayments Park(Akka.Actor.IActorRef replyTo, params PaymentReceived[] payments) =>
        new(payments[0].OrderId, payments, Correlation: 1, replyTo);

    public static DeadLetterPayments DeadLetter(Akka.Actor.IActorRef replyTo, params DeadLetterPayment[] payments) =>
        new(payments[0].Payment.OrderId, payments, Correlation: 1, replyTo);

    public static HealPayments Heal(params PaymentReceived[] payments) => new(payments[0].OrderId, payments);
}
