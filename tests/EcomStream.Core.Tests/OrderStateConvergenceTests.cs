using CsCheck;

namespace EcomStream.Core.Tests;

/// <summary>
/// The same messages in any order, with duplicates, redeliveries, passivations and crashes at any step, end in the same
/// row, and whatever is acked is durable at every step. Decisions are carried out against a model of the store that
/// follows the port's contract to the letter, by a writer and a sink that lag behind as the real ones do.
/// </summary>
public sealed class OrderStateConvergenceTests
{
    [Trait("Speed", "Slow")]
    [Fact]
    public void Any_interleaving_duplication_redelivery_and_crash_ends_in_the_same_row() =>
        Gen.Int.Sample(seed => new World(new Random(seed)).RunAndCheck(), iter: 40_000);

    [Fact]
    public void The_model_reaches_every_kind_of_decision()
    {
        // A property that never sees a refused payment or a healed row proves nothing about them.
        var seen = new Dictionary<string, int>();
        for (var seed = 0; seed < 3_000; seed++)
        {
            var world = new World(new Random(seed));
            world.RunAndCheck();
            foreach (var (what, times) in world.Seen)
            {
                seen[what] = seen.GetValueOrDefault(what) + times;
            }
        }

        foreach (var what in Enum.GetNames<Event>())
        {
            seen.GetValueOrDefault(what).ShouldBeGreaterThan(20, what);
        }
    }

    private enum Event
    {
        Crashed,
        Passivated,
        Loaded,
        Guarded,
        Refused,
        Waited,
        Parked,
        SettledBehindARow,
        SettledBehindAWrite,
        SettledAlso,
        Superseded,
        GivenUp,
        Healed,
    }

    private sealed record Row(PaymentReceived Message, UnmatchedState State, DeadLetterReason Reason)
    {
        public bool IsHealable => State == UnmatchedState.Waiting
            || (State == UnmatchedState.DeadLettered && Reason == DeadLetterReason.NoMatchingOrder);
    }

    private sealed record Write(Decision Decision)
    {
        // What adds nothing is settled with the write before it.
        public List<OrderMessage> Settles { get; } = [];
    }

    private sealed class World
    {
        private readonly Random _random;
        private readonly List<OrderMessage> _published = [];
        private readonly List<OrderMessage> _unacked = [];
        private readonly HashSet<OrderMessage> _acked = [];

        // Durable.
        private readonly Dictionary<string, Row> _unmatched = [];
        private OrderFact? _row;

        // In memory: a crash takes all of it.
        private readonly Queue<Write> _writer = new();
        private readonly Queue<(PaymentReceived Payment, bool Park)> _sink = new();
        private readonly Queue<PaymentReceived> _refused = new();
        private OrderState _state = OrderState.New(Some.OrderId);
        private bool _mayCrash = true;

        public World(Random random)
        {
            _random = random;

            // Some messages share a stamp, or have stamps next to each other.
            var ties = random.Next(3);
            var stamps = Enumerable.Range(1, 12)
                .Select(n => ties switch { 0 => n, 1 => random.Next(4) == 0 ? Math.Max(1, n - 1) : n, _ => random.Next(3) })
                .OrderBy(_ => random.Next()).ToArray();
            var orders = random.Next(0, 4);
            var payments = random.Next(0, 6);
            for (var i = 0; i < orders; i++)
            {
                _published.Add(Some.Order(stamps[i], $"status {i}", messageId: $"o{i}"));
            }

            for (var i = 0; i < payments; i++)
            {
                // Stamps one microsecond apart, and columns of which the first difference does not decide the others.
                var sent = Some.Payment(
                    1,
                    random.Next(4) is 0 ? null : random.Next(1, 4),
                    messageId: $"p{i}",
                    idText: random.Next(2) is 0 ? null : $"pi_{random.Next(3)}");
                _published.Add(new PaymentReceived(
                    sent.Payment with { PaymentMethod = $"{random.Next(2)}", PaymentStatus = $"{random.Next(3)}" },
                    new Stamp(Some.MicrosAt(1) + stamps[orders + i]),
                    sent.Delivery));
            }

            _unacked.AddRange(_published);
        }

        public Dictionary<string, int> Seen { get; } = [];

        public void RunAndCheck()
        {
            for (var step = 0; _unacked.Count > 0; step++)
            {
                (step < 5_000).ShouldBeTrue("It does not come to rest.");
                Step();
                EverythingAckedIsSafe();
            }

            Rest();
            EverythingAckedIsSafe();
            Check();
        }

        private bool ParksArePending => _sink.Any(command => command.Park);

        private void Step()
        {
            switch (_random.Next(14))
            {
                case 0:
                    Crash();
                    break;
                case 1:
                    Passivate();
                    break;
                case 2:
                    Park();
                    break;
                case 3:
                    // The watermark says now and then that no order will come, however soon one does.
                    Recheck(_random.Next(2) == 0 ? long.MinValue : long.MaxValue);
                    break;
                case 4 or 5:
                    RunWriter();
                    break;
                case 6 or 7:
                    RunSink();
                    break;
                case 8 or 10 or 11 when _refused.TryDequeue(out var payment):
                    See(Event.Refused);
                    _state = _state.Refused(payment, out var decision);
                    Carry(decision, payment);
                    break;
                case 9 when _published.Count > 0:
                    // A duplicate of something that may long be settled.
                    Deliver(_published[_random.Next(_published.Count)]);
                    break;
                default:
                    Deliver(_unacked[_random.Next(_unacked.Count)]);
                    break;
            }
        }

        // Everything was delivered: what is under way is finished, what waits gets its row, and without an order it is
        // given up.
        private void Rest()
        {
            _mayCrash = false;
            for (var round = 0; round < 10; round++)
            {
                while (_writer.Count + _sink.Count + _refused.Count > 0)
                {
                    RunWriter();
                    RunSink();
                    if (_refused.TryDequeue(out var payment))
                    {
                        _state = _state.Refused(payment, out var decision);
                        Carry(decision, payment);
                    }
                }

                Park();
                Recheck(long.MaxValue);
            }
        }

        private void Crash()
        {
            See(Event.Crashed);
            _state = OrderState.New(Some.OrderId);
            _writer.Clear();
            _sink.Clear();
            _refused.Clear();
        }

        private bool CrashNow()
        {
            if (!_mayCrash || _random.Next(25) != 0)
            {
                return false;
            }

            Crash();
            return true;
        }

        // The actor goes, what it handed over does not.
        private void Passivate()
        {
            if (!ParksArePending && _state.Waiting.All(w => w.HasRow))
            {
                See(Event.Passivated);
                _state = OrderState.New(Some.OrderId);
            }
        }

        private void Deliver(OrderMessage message)
        {
            // An order is told to read first when there are rows that it would heal.
            if (message is OrderReceived && _state == OrderState.New(Some.OrderId) && Healable().Count > 0 && !Load())
            {
                return;
            }

            Decision decision;
            _state = message is OrderReceived order
                ? _state.Receive(order, out decision)
                : _state.Receive((PaymentReceived)message, out decision);
            Carry(decision, message);
        }

        // A read waits for the writes before it. False when there was a crash.
        private bool Load()
        {
            See(Event.Loaded);
            while (_writer.Count > 0)
            {
                if (!RunWriter())
                {
                    return false;
                }
            }

            _state = _state.Loaded(_row, [.. Healable().Select(message => new UnmatchedMessage(message))], hasMore: false, out var decision);
            return Carry(decision, null);
        }

        private void Recheck(long watermark)
        {
            if (Load())
            {
                _state = _state.GiveUp(watermark, TimeSpan.Zero, out var decision);
                Carry(decision, null);
            }
        }

        private void Park()
        {
            _state = _state.Park(out var parked);
            foreach (var payment in parked)
            {
                See(Event.Parked);
                _sink.Enqueue((payment, Park: true));
            }
        }

        // False when there was a crash: nothing of the decision is left then.
        private bool Carry(in Decision decision, OrderMessage? cause)
        {
            if (decision.Load)
            {
                if (!Load())
                {
                    return false;
                }

                Deliver(cause!);
                return true;
            }

            foreach (var letter in decision.DeadLetters ?? [])
            {
                // The sink works in order, and the actor waits for it.
                while (_sink.Count > 0)
                {
                    if (!RunSink())
                    {
                        return false;
                    }
                }

                See(letter.Reason == DeadLetterReason.Superseded ? Event.Superseded : Event.GivenUp);
                var payment = letter.Payment;
                var newest = _unmatched.TryGetValue(payment.Key, out var row) && !OrderState.IsNewer(payment, row.Message)
                    ? row.Message
                    : payment;
                if (CrashNow())
                {
                    return false;
                }

                _unmatched[payment.Key] = new Row(newest, UnmatchedState.DeadLettered, letter.Reason);
                if (CrashNow())
                {
                    return false;
                }

                Ack(payment);
            }

            if (decision.WriteOrder is not null || decision.WritePayment is not null || decision.Heal is not null || decision.SettleAlso is not null)
            {
                _writer.Enqueue(new Write(decision));
            }

            if (decision.Guarded)
            {
                See(Event.Guarded);
            }

            if (decision.Wait is not null)
            {
                See(Event.Waited);
            }

            if (decision.Settle is PaymentReceived again && ParksArePending && _state.OrderSide != OrderSide.Present)
            {
                See(Event.SettledBehindARow);
                _sink.Enqueue((again, Park: true));
            }
            else if (decision.Settle is { } settle)
            {
                if (_writer.Count > 0)
                {
                    See(Event.SettledBehindAWrite);
                    _writer.Last().Settles.Add(settle);
                }
                else
                {
                    Ack(settle);
                }
            }

            return true;
        }

        // False when there was a crash.
        private bool RunWriter()
        {
            if (!_writer.TryDequeue(out var write))
            {
                return true;
            }

            if (CrashNow())
            {
                return false;
            }

            var isRefused = !Apply(write.Decision);
            if (CrashNow())
            {
                return false;
            }

            IEnumerable<OrderMessage?> settled =
                [write.Decision.WriteOrder, write.Decision.WritePayment, .. write.Decision.SettleAlso ?? [], .. write.Settles];
            foreach (var message in settled.OfType<OrderMessage>())
            {
                if (isRefused && message is PaymentReceived payment)
                {
                    _refused.Enqueue(payment);
                }
                else
                {
                    Ack(message);
                }
            }

            if (write.Decision.SettleAlso is not null)
            {
                See(Event.SettledAlso);
            }

            foreach (var healed in isRefused ? [] : write.Decision.Heal ?? [])
            {
                _sink.Enqueue((healed, Park: false));
            }

            return true;
        }

        private bool Apply(in Decision write)
        {
            var row = _row ?? new OrderFact(Some.OrderId, null, Stamp.None, null, Stamp.None);
            if (write.WriteOrder is { } order && order.Stamp >= row.OrderStamp)
            {
                var merged = row.Order is { } there && order.Stamp == row.OrderStamp ? EqualStamps.Merge(there, order.Order) : order.Order;
                row = row with { Order = merged, OrderStamp = order.Stamp };
            }

            var payment = write.WritePayment;
            var isRefused = payment is not null && PaymentGuard.Refuses(row, new FactWrite
            {
                OrderId = Some.OrderId,
                Payment = payment.Payment,
                PaymentStamp = payment.Stamp,
                PaymentDetailStamp = write.PaymentDetailStamp,
                PaymentGuarded = write.Guarded,
            });
            if (payment is not null && !isRefused)
            {
                // Column by column, as in Cassandra.
                var details = write.PaymentDetailStamp ?? payment.Stamp;
                row = row with
                {
                    Payment = (row.Payment is { } there
                        ? CellOrder.Resolve(there, row.PaymentStamp, row.PaymentDetailStamp, payment.Payment, payment.Stamp, details)
                        : payment.Payment) with { PaymentIdText = null },
                    PaymentStamp = row.PaymentStamp > payment.Stamp ? row.PaymentStamp : payment.Stamp,
                    PaymentDetailStamp = row.PaymentDetailStamp > details ? row.PaymentDetailStamp : details,
                };
            }

            _row = row.Order is null && row.Payment is null ? null : row;
            return !isRefused;
        }

        // False when there was a crash.
        private bool RunSink()
        {
            if (!_sink.TryDequeue(out var command))
            {
                return true;
            }

            var key = command.Payment.Key;
            var row = _unmatched.GetValueOrDefault(key);
            if (!command.Park)
            {
                // It may have been superseded while the fact was being written.
                if (row is { IsHealable: true } && !OrderState.IsNewer(row.Message, command.Payment))
                {
                    See(Event.Healed);
                    _unmatched[key] = row with { State = UnmatchedState.Healed };
                }

                return true;
            }

            // The row of a payment holds its newest message; one that was dead-lettered stays so.
            if (row is null || !OrderState.IsNewer(row.Message, command.Payment))
            {
                _unmatched[key] = new Row(
                    command.Payment,
                    row is { IsHealable: true } ? row.State : UnmatchedState.Waiting,
                    DeadLetterReason.NoMatchingOrder);
            }

            if (CrashNow())
            {
                return false;
            }

            Ack(command.Payment);
            return true;
        }

        private List<PaymentReceived> Healable() => [.. _unmatched.Values.Where(row => row.IsHealable).Select(row => row.Message)];

        private void Ack(OrderMessage message)
        {
            // A message that was made from a row stands for one that was acked before.
            if (_published.Contains(message))
            {
                _acked.Add(message);
                _unacked.Remove(message);
            }
        }

        private void EverythingAckedIsSafe()
        {
            foreach (var message in _acked)
            {
                IsSafe(message).ShouldBeTrue($"{message.Delivery.MessageId} is acked and nowhere durable");
            }
        }

        private bool IsSafe(OrderMessage message) => message switch
        {
            OrderReceived => _row?.Order is not null && _row.OrderStamp >= message.Stamp,
            PaymentReceived payment =>
                (_row?.Payment is { } written && _row.PaymentStamp >= message.Stamp
                    && (payment.Payment.PaymentId is not null
                        ? written.PaymentId == payment.Payment.PaymentId
                        : written.PaymentId is null && (payment.Payment.PaymentIdText is not null || _row.PaymentStamp == message.Stamp)))
                || RowsOf(payment).Any(row => row.Message.Stamp >= message.Stamp),
            _ => false,
        };

        private void Check()
        {
            _acked.Count.ShouldBe(_published.Count);
            var orders = _published.OfType<OrderReceived>().ToList();
            var newest = orders.Count == 0 ? default : orders.Max(m => m.Stamp);
            var order = orders.Count == 0 ? null : orders.Where(m => m.Stamp == newest).Select(m => m.Order).Aggregate(EqualStamps.Merge);
            var payment = _published.OfType<PaymentReceived>().Aggregate(
                (PaymentReceived?)null, (best, m) => best is null || OrderState.IsNewer(m, best) ? m : best);
            if (order is null)
            {
                _row.ShouldBeNull();
                foreach (var lonely in _published.OfType<PaymentReceived>())
                {
                    _unmatched[lonely.Key].State.ShouldBe(UnmatchedState.DeadLettered);
                    _unmatched[lonely.Key].Reason.ShouldBe(DeadLetterReason.NoMatchingOrder);
                }

                return;
            }

            _row!.Order.ShouldBe(order);
            _row.OrderStamp.ShouldBe(newest);
            _row.Payment.ShouldBe(payment is null ? null : payment.Payment with { PaymentIdText = null });
            foreach (var other in _published.OfType<PaymentReceived>().Where(m => !OrderState.SamePayment(m, payment!)))
            {
                if (other.Payment.PaymentId is null && other.Stamp == payment!.Stamp && EqualStamps.Compare(other.Payment, payment.Payment) == 0)
                {
                    // The row holds the same columns with the same stamp: the table cannot tell the two apart.
                    continue;
                }

                RowsOf(other).ShouldContain(
                    row => row.State == UnmatchedState.DeadLettered && row.Reason == DeadLetterReason.Superseded, $"{other.Key} is lost");
            }

            // Nothing waits, or is dead-lettered because it had no order, although its order is there.
            Healable().ShouldBeEmpty();
        }

        // The table does not hold an id that is a text: a payment that is displaced after its order was passivated is
        // dead-lettered under the stamp of its newest message.
        private IEnumerable<Row> RowsOf(PaymentReceived payment)
        {
            string[] keys =
            [
                payment.Key,
                .. payment.Payment.PaymentId is not null
                    ? Array.Empty<string>()
                    : _published.OfType<PaymentReceived>().Where(m => m.Key == payment.Key && m.Stamp >= payment.Stamp).Select(m => $"@{m.Stamp}"),
            ];
            return keys.Select(key => _unmatched.GetValueOrDefault(key)).OfType<Row>();
        }

        private void See(Event what) => Seen[what.ToString()] = Seen.GetValueOrDefault(what.ToString()) + 1;
    }
}
