using CsCheck;

namespace EcomStream.Core.Tests;

/// <summary>
/// The same messages in any order, with duplicates, redeliveries and crashes at any step, end in the same row. Decisions
/// are carried out against a model of the store that follows the port's contract to the letter.
/// </summary>
public sealed class OrderStateConvergenceTests
{
    [Fact]
    public void Any_interleaving_duplication_redelivery_and_crash_ends_in_the_same_row() =>
        Gen.Int.Sample(seed => new World(new Random(seed)).RunAndCheck(), iter: 40_000);

    private sealed class World
    {
        private readonly Random _random;
        private readonly List<OrderMessage> _published = [];
        private readonly List<OrderMessage> _unacked = [];
        private readonly HashSet<OrderMessage> _acked = [];
        private readonly Dictionary<string, (PaymentReceived Message, UnmatchedState State, DeadLetterReason Reason)> _unmatched = [];
        private OrderFact? _row;
        private bool _mayCrash = true;
        private OrderState _state = OrderState.New(Some.OrderId);

        public World(Random random)
        {
            _random = random;
            var stamps = Enumerable.Range(1, 12).OrderBy(_ => random.Next()).ToArray();
            var orders = random.Next(0, 4);
            var payments = random.Next(0, 6);
            for (var i = 0; i < orders; i++)
            {
                _published.Add(Some.Order(stamps[i], $"status {i}"));
            }

            for (var i = 0; i < payments; i++)
            {
                _published.Add(Some.Payment(stamps[orders + i], random.Next(4) is 0 ? null : random.Next(1, 4)));
            }

            _unacked.AddRange(_published);
        }

        public void RunAndCheck()
        {
            for (var step = 0; _unacked.Count > 0; step++)
            {
                if (step > 2_000)
                {
                    throw new InvalidOperationException("It does not come to rest.");
                }

                Step();
            }

            Rest();
            Check();
        }

        private void Step()
        {
            switch (_random.Next(10))
            {
                case 0:
                    // A crash, or a passivation: whatever is unacked is delivered again.
                    _state = OrderState.New(Some.OrderId);
                    break;
                case 1:
                    Park();
                    break;
                case 2:
                    // The watermark says now and then that no order will come, however soon one does.
                    Recheck(_random.Next(2) == 0 ? long.MinValue : long.MaxValue);
                    break;
                case 3 when _published.Count > 0:
                    // A duplicate of something that may long be settled.
                    Deliver(_published[_random.Next(_published.Count)]);
                    break;
                default:
                    Deliver(_unacked[_random.Next(_unacked.Count)]);
                    break;
            }
        }

        // Everything was delivered: what waits gets its row, and without an order it is given up.
        private void Rest()
        {
            _mayCrash = false;
            Park();
            Recheck(long.MaxValue);
        }

        private void Deliver(OrderMessage message)
        {
            // An order is told to read first when there are rows that it would heal.
            if (message is OrderReceived && _state == OrderState.New(Some.OrderId) && Healable().Count > 0)
            {
                Load();
            }

            var before = _state;
            Decision decision;
            switch (message)
            {
                case OrderReceived order:
                    _state = _state.Receive(order, out decision);
                    break;
                case PaymentReceived payment:
                    _state = _state.Receive(payment, out decision);
                    break;
                default:
                    throw new InvalidOperationException();
            }

            if (Carry(decision) && decision.Load)
            {
                Load();
                Deliver(message);
            }
            else if (decision.Load)
            {
                _state = before;
            }
        }

        private void Load()
        {
            _state = _state.Loaded(_row, Healable(), out var decision);
            Carry(decision);
        }

        private void Recheck(long watermark)
        {
            Load();
            _state = _state.GiveUp(watermark, TimeSpan.Zero, out var decision);
            Carry(decision);
        }

        private void Park()
        {
            _state = _state.Park(out var parked);
            foreach (var payment in parked)
            {
                // The row of a payment holds its newest message; one that was dead-lettered stays so.
                if (!_unmatched.TryGetValue(payment.Payment.Key, out var row) || row.Message.Stamp <= payment.Stamp)
                {
                    var state = row.Message is not null && row.State is UnmatchedState.Waiting or UnmatchedState.DeadLettered
                        && row.Reason == DeadLetterReason.NoMatchingOrder && row.Message is not null
                        ? row.State
                        : UnmatchedState.Waiting;
                    _unmatched[payment.Payment.Key] = (payment, state, DeadLetterReason.NoMatchingOrder);
                }

                Ack(payment);
            }
        }

        // Returns false when a crash came in between: nothing of the state is left then.
        private bool Carry(in Decision decision)
        {
            foreach (var letter in decision.DeadLetters ?? [])
            {
                var newest = _unmatched.TryGetValue(letter.Payment.Payment.Key, out var row) && row.Message.Stamp > letter.Payment.Stamp
                    ? row.Message
                    : letter.Payment;
                _unmatched[letter.Payment.Payment.Key] = (newest, UnmatchedState.DeadLettered, letter.Reason);
                Ack(letter.Payment);
                if (Crash())
                {
                    return false;
                }
            }

            if (decision.WriteOrder is not null || decision.WritePayment is not null)
            {
                if (Crash())
                {
                    return false;
                }

                if (!Write(decision.WriteOrder, decision.WritePayment, decision.Guarded))
                {
                    Refused(decision.WritePayment!);
                    return true;
                }
            }

            if (decision.WriteOrder is { } order)
            {
                Ack(order);
            }

            if (decision.WritePayment is { } payment)
            {
                Ack(payment);
            }

            foreach (var also in decision.SettleAlso ?? [])
            {
                Ack(also);
            }

            if (decision.Settle is { } settle)
            {
                Ack(settle);
            }

            if (Crash())
            {
                return false;
            }

            foreach (var healed in decision.Heal ?? [])
            {
                var row = _unmatched[healed.Payment.Key];
                _unmatched[healed.Payment.Key] = row with { State = UnmatchedState.Healed };
            }

            return true;
        }

        private void Refused(PaymentReceived payment)
        {
            _state = _state.Refused(payment, out var decision);
            if (decision.Load)
            {
                Load();
                Deliver(payment);
            }
            else
            {
                Carry(decision);
            }
        }

        private bool Crash()
        {
            if (!_mayCrash || _random.Next(25) != 0)
            {
                return false;
            }

            _state = OrderState.New(Some.OrderId);
            return true;
        }

        private bool Write(OrderReceived? order, PaymentReceived? payment, bool guarded)
        {
            var row = _row ?? new OrderFact(Some.OrderId, null, Stamp.None, null, Stamp.None);
            if (order is not null && order.Stamp >= row.OrderStamp)
            {
                row = row with { Order = order.Order, OrderStamp = order.Stamp };
            }

            var refused = guarded && row.Payment is not null && row.Payment.PaymentId != payment!.Payment.PaymentId;
            if (payment is not null && !refused && payment.Stamp >= row.PaymentStamp)
            {
                row = row with { Payment = payment.Payment, PaymentStamp = payment.Stamp };
            }

            _row = row;
            return !refused;
        }

        private List<PaymentReceived> Healable() =>
        [
            .. _unmatched.Values
                .Where(row => row.State == UnmatchedState.Waiting
                    || (row.State == UnmatchedState.DeadLettered && row.Reason == DeadLetterReason.NoMatchingOrder))
                .Select(row => row.Message),
        ];

        private void Ack(OrderMessage message)
        {
            // A message that FromRow made stands for one that was acked before.
            if (_published.Contains(message))
            {
                _acked.Add(message);
                _unacked.Remove(message);
            }
        }

        private void Check()
        {
            _acked.Count.ShouldBe(_published.Count);
            var order = _published.OfType<OrderReceived>().MaxBy(m => m.Stamp.Micros);
            var payment = _published.OfType<PaymentReceived>().MaxBy(m => m.Stamp.Micros);
            if (order is null)
            {
                _row.ShouldBeNull();
                foreach (var lonely in _published.OfType<PaymentReceived>())
                {
                    _unmatched[lonely.Payment.Key].State.ShouldBe(UnmatchedState.DeadLettered);
                    _unmatched[lonely.Payment.Key].Reason.ShouldBe(DeadLetterReason.NoMatchingOrder);
                }

                return;
            }

            _row!.Order.ShouldBe(order.Order);
            _row.OrderStamp.ShouldBe(order.Stamp);
            _row.Payment.ShouldBe(payment?.Payment);
            foreach (var other in _published.OfType<PaymentReceived>().Where(m => m.Payment.PaymentId != payment!.Payment.PaymentId))
            {
                _unmatched.ShouldContainKey(other.Payment.Key);
                _unmatched[other.Payment.Key].State.ShouldBe(UnmatchedState.DeadLettered);
                _unmatched[other.Payment.Key].Reason.ShouldBe(DeadLetterReason.Superseded);
            }

            // Nothing waits, or is dead-lettered for want of an order, although its order is there.
            Healable().ShouldBeEmpty();
        }
    }
}
