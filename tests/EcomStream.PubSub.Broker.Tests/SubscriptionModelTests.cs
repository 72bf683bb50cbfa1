using System.Text;
using CsCheck;
using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.Resources;
using EcomStream.PubSub.Broker.State;
using EcomStream.PubSub.Broker.Storage;
using EcomStream.PubSub.Broker.Topics;
using Google.Cloud.PubSub.V1;
using Google.Protobuf;
using Microsoft.Extensions.Logging.Abstractions;
using Microsoft.Extensions.Time.Testing;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>
/// Random publishes, pulls, acks, nacks, extensions, waits and restarts, beside what a subscription promises whatever
/// happens. A failure prints the seed that repeats it.
/// </summary>
public sealed class SubscriptionModelTests
{
    private static readonly Gen<SubscriptionSettings> Settings =
        from ordering in Gen.Bool
        from exactlyOnce in Gen.Bool
        from filter in Gen.Bool
        from retry in Gen.Bool
        from deadLetter in Gen.Bool
        select new SubscriptionSettings
        {
            EnableMessageOrdering = ordering,
            EnableExactlyOnceDelivery = exactlyOnce,
            Filter = filter ? "attributes:wanted" : "",
            Retry = retry ? new RetrySettings(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(20)) : null,
            DeadLetter = deadLetter ? new DeadLetterSettings("projects/p/topics/dead", 5) : null,
            Expiration = null,
        };

    private static readonly Gen<(Step Step, int Number)[]> Steps =
        Gen.Select(Gen.Frequency((4, Gen.Const(Step.Publish)), (6, Gen.Const(Step.Pull)), (6, Gen.Const(Step.Ack)), (3, Gen.Const(Step.Nack)),
            (2, Gen.Const(Step.Extend)), (3, Gen.Const(Step.Wait)), (1, Gen.Const(Step.Restart))), Gen.Int[0, 999]).Array[20, 150];

    // Seeks take back acks, so that what a subscription promises about them is left to the other test.
    private static readonly Gen<(Step Step, int Number)[]> StepsWithSeeks =
        Gen.Select(Gen.Frequency((4, Gen.Const(Step.Publish)), (6, Gen.Const(Step.Pull)), (5, Gen.Const(Step.Ack)), (4, Gen.Const(Step.Nack)),
            (2, Gen.Const(Step.Extend)), (3, Gen.Const(Step.Wait)), (1, Gen.Const(Step.Restart)), (1, Gen.Const(Step.Seek)), (1, Gen.Const(Step.DropOld)),
            (1, Gen.Const(Step.Status))), Gen.Int[0, 999]).Array[20, 150];

    [Fact]
    public void Whatever_happens_nothing_acked_comes_again_nothing_leased_comes_twice_keys_keep_their_order_and_everything_arrives() =>
        Gen.Select(Settings, Steps).Sample(
            (settings, steps) => Simulate(settings, run =>
            {
                foreach (var (step, number) in steps)
                {
                    run.Do(step, number);
                }

                run.Drain();
            }),
            iter: 400,
            threads: 2);

    [Fact]
    public void Each_message_is_in_exactly_one_state_after_every_operation() =>
        Gen.Select(Settings, StepsWithSeeks, Gen.Bool).Sample(
            (settings, steps, retains) => Simulate(settings with { RetainAckedMessages = retains }, run =>
            {
                foreach (var (step, number) in steps)
                {
                    run.DoUnchecked(step, number);
                    run.CheckStates();
                }
            }),
            iter: 400,
            threads: 2);

    private static void Simulate(SubscriptionSettings settings, Action<Run> operations)
    {
        using var folder = new TemporaryFolder();
        using var run = new Run(folder.Path, settings);
        try
        {
            operations(run);
        }
        catch (Exception error)
        {
            throw new InvalidOperationException(run.Trace, error);
        }
    }

    private enum Step
    {
        Publish,
        Pull,
        Ack,
        Nack,
        Extend,
        Wait,
        Restart,
        Seek,
        DropOld,
        Status,
    }

    private sealed class Run : IDisposable
    {
        private const int AckDeadlineSeconds = 10;
        private const string Topic = "projects/p/topics/orders";
        private const string Name = "projects/p/subscriptions/orders-sub";

        private readonly FakeTimeProvider _time = new(new DateTimeOffset(2026, 11, 24, 12, 0, 0, TimeSpan.Zero));
        private readonly EmbeddedBrokerOptions _options;
        private readonly SubscriptionSettings _settings;
        private readonly Dictionary<string, Message> _messages = [];
        private readonly List<(string AckId, Message Message)> _held = [];
        private readonly StringBuilder _trace = new();
        private BrokerState _state;

        /// <summary>What was done, and what came.</summary>
        public string Trace => _trace.ToString();

        public Run(string folder, SubscriptionSettings settings)
        {
            _settings = settings;
            _options = new EmbeddedBrokerOptions { DataDirectory = folder, Time = _time, SegmentBytes = 2_000 };
            _state = BrokerState.Open(_options, NullLogger.Instance);
            _state.CreateTopic("projects/p/topics/dead", new TopicSettings());
            _state.CreateSubscription("projects/p/subscriptions/dead-sub", "projects/p/topics/dead", new SubscriptionSettings());
            _state.CreateTopic(Topic, new TopicSettings());
            _state.CreateSubscription(Name, Topic, settings);
        }

        private BrokerSubscription Subscription => _state.Subscription(Name);

        /// <summary>Each message that is published is in one state, and the states add up to the backlog.</summary>
        public void CheckStates()
        {
            var states = Subscription.CheckStates();
            var unacked = states.Where(state => state.Key != MessageState.Acked).Sum(state => state.Value);
            unacked.ShouldBe(Subscription.Stats.Backlog);
            states.GetValueOrDefault(MessageState.Leased).ShouldBe(Subscription.Stats.Outstanding);
        }

        /// <summary>Does something without looking at what a subscription promises.</summary>
        public void DoUnchecked(Step step, int number)
        {
            _trace.AppendLine($"{step} {number}");
            switch (step)
            {
                case Step.Publish:
                    Publish(count: 1 + (number % 4), key: number % 3 == 0 ? "" : $"k{number % 3}", wanted: number % 5 != 0);
                    break;
                case Step.Pull:
                    var response = new RawPullResponse();
                    var consumer = new PullConsumer(long.MaxValue, long.MaxValue) { ClientId = number % 2 == 0 ? null : $"{number % 3}" };
                    Subscription.Take(consumer, AckDeadlineSeconds, 1 + (number % 7), int.MaxValue, response);
                    _held.AddRange(PullResponse.Parser.ParseFrom(response.Bytes).ReceivedMessages.Select(r => (r.AckId, _messages[r.Message.MessageId])));
                    break;
                case Step.Ack:
                    Settle(number, (ids, outcome) => Subscription.Acknowledge(ids, outcome), _ => { });
                    break;
                case Step.Nack:
                    Settle(number, (ids, outcome) => Subscription.ModifyAckDeadline(ids, _ => 0, outcome), _ => { });
                    break;
                case Step.Extend:
                    Settle(number, (ids, outcome) => Subscription.ModifyAckDeadline(ids, _ => 30, outcome), _ => { });
                    break;
                case Step.Seek:
                    _state.Seek(Name, _time.GetUtcNow().AddSeconds(-(number % 60)));
                    break;
                case Step.DropOld:
                    Subscription.Position.DropBefore(Math.Min(Subscription.Position.Cursor + (number % 5), Subscription.Topic.Log.EndOffset));
                    break;
                case Step.Status:
                    Subscription.GetStatus().UnackedMessages.ShouldBe(Subscription.Stats.Backlog);
                    break;
                case Step.Wait:
                    _time.Advance(TimeSpan.FromSeconds(number % 15));
                    Subscription.Expire();
                    CheckStates();
                    new DeadLetterForwarder(_state, _options, NullLogger.Instance).Forward(Subscription);
                    break;
                default:
                    _state.Dispose();
                    _state = BrokerState.Open(_options, NullLogger.Instance);
                    break;
            }
        }

        public void Do(Step step, int number)
        {
            _trace.AppendLine($"{step} {number}");
            switch (step)
            {
                case Step.Publish:
                    Publish(count: 1 + (number % 4), key: number % 3 == 0 ? "" : $"k{number % 3}", wanted: number % 5 != 0);
                    break;
                case Step.Pull:
                    Pull(1 + (number % 7));
                    break;
                case Step.Ack:
                    Settle(number, (ids, outcome) => Subscription.Acknowledge(ids, outcome), Acked);
                    break;
                case Step.Nack:
                    Settle(number, (ids, outcome) => Subscription.ModifyAckDeadline(ids, _ => 0, outcome), Ended);
                    break;
                case Step.Extend:
                    Settle(number, (ids, outcome) => Subscription.ModifyAckDeadline(ids, _ => 30, outcome), message =>
                        message.LeasedUntil = message.IsLeased(_time) ? _time.GetUtcNow().AddSeconds(30) : message.LeasedUntil);
                    break;
                case Step.Wait:
                    Wait(number % 15);
                    break;
                default:
                    _state.Dispose();
                    _state = BrokerState.Open(_options, NullLogger.Instance);
                    foreach (var message in _messages.Values)
                    {
                        (message.LeasedUntil, message.IsAckSent) = (null, false);
                    }

                    break;
            }
        }

        /// <summary>Pulls and acks until nothing is left: everything that was let through has arrived then, or is a dead letter.</summary>
        public void Drain()
        {
            for (var quiet = 0; quiet < 4;)
            {
                _held.Clear();
                Pull(1_000);
                quiet = _held.Count == 0 ? quiet + 1 : 0;
                while (_held.Count > 0)
                {
                    Do(Step.Ack, 0);
                }

                Wait(35);
            }

            Subscription.Stats.Backlog.ShouldBe(0);
            _messages.Values.Where(m => m.Wanted && !m.IsAcked && !m.IsDeadLetter).ShouldBeEmpty();
        }

        public void Dispose() => _state.Dispose();

        private void Publish(int count, string key, bool wanted)
        {
            var message = new PubsubMessage { Data = ByteString.CopyFromUtf8("x"), OrderingKey = key, Attributes = { [wanted ? "wanted" : "other"] = "" } };
            using var messages = RawMessages.Of(Enumerable.Repeat(message, count));
            var log = _state.Topic(Topic).Log;
            var first = _state.Topic(Topic).Publish(messages);
            for (var offset = first; offset < first + count; offset++)
            {
                _messages.Add($"{log.MessageId(offset)}", new Message(offset + 1, key, wanted || _settings.Filter.Length == 0));
            }
        }

        private void Pull(int max)
        {
            var response = new RawPullResponse();
            Subscription.Take(new PullConsumer(long.MaxValue, long.MaxValue), AckDeadlineSeconds, max, int.MaxValue, response).ShouldBeTrue();
            NoteEarlyAcks();
            foreach (var received in PullResponse.Parser.ParseFrom(response.Bytes).ReceivedMessages)
            {
                var message = _messages[received.Message.MessageId];
                _trace.AppendLine($"  came {message.Id} of '{message.Key}' as {received.AckId}, attempt {received.DeliveryAttempt}");
                message.Wanted.ShouldBeTrue("the filter does not let it through");
                message.IsAcked.ShouldBeFalse($"message {message.Id} was acked, and comes again");
                message.IsDeadLetter.ShouldBeFalse($"message {message.Id} was forwarded, and comes again");
                message.IsLeased(_time).ShouldBeFalse($"message {message.Id} is leased, and comes again");
                if (_settings.EnableMessageOrdering && message.Key.Length > 0)
                {
                    Before(message).ShouldAllBe(m => m.IsAcked || m.IsDeadLetter || m.IsLeased(_time));
                }

                message.LeasedUntil = _time.GetUtcNow().AddSeconds(AckDeadlineSeconds);
                message.AckId = received.AckId;
                _held.Add((received.AckId, message));
            }
        }

        // An ack before its turn outlives a restart: it counts when the message is read again.
        private void NoteEarlyAcks()
        {
            var acks = Subscription.Position.Copy();
            foreach (var message in _messages.Values.Where(m => m.WasAckSent && acks.IsAcked(m.Id - 1)))
            {
                message.IsAcked = true;
            }
        }

        private void Settle(int number, Action<IReadOnlyList<string>, AckOutcome?> call, Action<Message> done)
        {
            if (_held.Count == 0)
            {
                return;
            }

            var (ackId, message) = _held[number % _held.Count];
            _held.RemoveAt(number % _held.Count);
            var outcome = AckOutcome.For(Subscription.Settings);
            _trace.AppendLine($"  of {message.Id} with {ackId}");
            call([ackId], outcome);
            if (outcome is null || outcome.Done.Count == 1)
            {
                // Without exactly-once delivery the id of an earlier delivery acks, and neither extends nor gives back.
                var isCurrent = message.IsLeased(_time) && message.AckId == ackId;
                if (outcome is not null || isCurrent || done == Acked)
                {
                    done(message);
                }
            }
        }

        private void Acked(Message message)
        {
            var acks = Subscription.Position.Copy();
            if (!_settings.EnableMessageOrdering || message.Key.Length == 0)
            {
                acks.IsAcked(message.Id - 1).ShouldBeTrue();
                message.IsAcked = true;
                return;
            }

            // With ordering it counts once everything of its key that comes before it is acked, and then counts at once.
            // What is not leased, as after a restart, the broker may take or not; what it has taken stays.
            message.IsAckSent |= message.IsLeased(_time);
            message.WasAckSent |= message.IsAckSent;
            var inOrder = _messages.Values.Where(m => m.Key == message.Key && m.Wanted && !m.IsDeadLetter)
                .TakeWhile(m => m.IsAcked || (m.IsAckSent && m.IsLeased(_time)));
            inOrder.ShouldAllBe(m => acks.IsAcked(m.Id - 1));
            foreach (var other in _messages.Values.Where(m => m.Key == message.Key && acks.IsAcked(m.Id - 1)))
            {
                other.IsAcked = true;
            }
        }

        // Given back: with ordering, together with everything of its key that was delivered after it.
        private void Ended(Message message)
        {
            message.LeasedUntil = null;
            if (_settings.EnableMessageOrdering && message.Key.Length > 0)
            {
                foreach (var other in _messages.Values.Where(m => m.Key == message.Key && m.Id >= message.Id))
                {
                    (other.LeasedUntil, other.IsAckSent) = (null, false);
                }
            }
        }

        private void Wait(int seconds)
        {
            for (var passed = 0; passed < seconds; passed++)
            {
                _time.Advance(TimeSpan.FromSeconds(1));
                Subscription.Expire();
                foreach (var message in _messages.Values.Where(m => m.LeasedUntil <= _time.GetUtcNow() && !m.IsAcked).ToList())
                {
                    Ended(message);
                }

                Forward();
                _state.Reclaim();
            }
        }

        private void Forward()
        {
            var before = _state.Topic("projects/p/topics/dead").Log.EndOffset;
            foreach (var (_, message, _) in Subscription.Undeliverable.Read(1_000))
            {
                _trace.AppendLine($"  forwarded {message.MessageId}");
                _messages[message.MessageId].IsDeadLetter = true;
            }

            new DeadLetterForwarder(_state, _options, NullLogger.Instance).Forward(Subscription);
            Subscription.Undeliverable.Read(1).ShouldBeEmpty();
            before.ShouldBeLessThanOrEqualTo(_state.Topic("projects/p/topics/dead").Log.EndOffset);
        }

        private IEnumerable<Message> Before(Message message) =>
            _messages.Values.Where(m => m.Key == message.Key && m.Id < message.Id && m.Wanted);
    }

    private sealed class Message(long id, string key, bool wanted)
    {
        public long Id { get; } = id;

        public string Key { get; } = key;

        public bool Wanted { get; } = wanted;

        public DateTimeOffset? LeasedUntil { get; set; }

        /// <summary>That of the last delivery.</summary>
        public string AckId { get; set; } = "";

        public bool IsAckSent { get; set; }

        /// <summary>Whether it was ever acked by a reader that had leased it.</summary>
        public bool WasAckSent { get; set; }

        public bool IsAcked { get; set; }

        public bool IsDeadLetter { get; set; }

        public bool IsLeased(TimeProvider time) => LeasedUntil > time.GetUtcNow() && !IsAcked;
    }
}
