using Akka.Actor;
using Akka.Event;
using EcomStream.Core;
using DeadLetter = EcomStream.Core.DeadLetter;

namespace EcomStream.Actors;

/// <summary>
/// Publishes dead letters, in a lane per topic, so that a topic that does not accept them holds up no other. A request
/// is tried until the topic accepts it. A message that the service will never accept is reported back and stays in its
/// row. While a topic is missing or forbidden, requests beyond <see cref="MostHeld"/> messages are reported back as
/// well, so that they do not occupy the subscription.
/// </summary>
internal sealed class DeadLetterSink : UntypedActor, IWithTimers
{
    /// <summary>Messages held, unacked, for one topic that does not accept dead letters.</summary>
    internal const int MostHeld = 1_000;

    private readonly IPublisher _publisher;
    private readonly Backoff _backoff;
    private readonly EcomStreamMetrics _metrics;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Dictionary<string, TopicLane> _lanes = [];
    private bool _draining;

    /// <summary>Makes the actor; see <see cref="Props"/>.</summary>
    public DeadLetterSink(IPublisher publisher, Backoff backoff, EcomStreamMetrics metrics) =>
        (_publisher, _backoff, _metrics) = (publisher, backoff, metrics);

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>The sink.</summary>
    /// <param name="publisher">Publishes.</param>
    /// <param name="backoff">The delays between attempts.</param>
    /// <param name="metrics">The counters.</param>
    public static Props Props(IPublisher publisher, Backoff backoff, EcomStreamMetrics metrics) =>
        Akka.Actor.Props.Create(() => new DeadLetterSink(publisher, backoff, metrics));

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case PublishDeadLetters request:
                Accept(request, Sender);
                break;
            case TopicAccepted published:
                Complete(published);
                break;
            case TopicFailed failed:
                Retry(failed);
                break;
            case RepeatTopic again:
                Publish(_lanes[again.Topic]);
                break;
            case DrainDeadLetters:
                _draining = true;
                foreach (var lane in _lanes.Values.Where(lane => lane.Failures > 0 && !lane.IsPublishing))
                {
                    Abandon(lane);
                }

                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void Accept(PublishDeadLetters request, IActorRef replyTo)
    {
        if (!_lanes.TryGetValue(request.Topic, out var lane))
        {
            _lanes.Add(request.Topic, lane = new TopicLane(request.Topic));
        }

        if (lane.Refusal is { } refusal && lane.Held + request.DeadLetters.Count > MostHeld)
        {
            Refuse(request, replyTo, refusal);
            return;
        }

        lane.Requests.Enqueue((request, replyTo));
        lane.Held += request.DeadLetters.Count;
        if (lane.Requests.Count == 1)
        {
            Publish(lane);
        }
    }

    private void Publish(TopicLane lane)
    {
        lane.IsPublishing = true;
        var messages = lane.Requests.Peek().Request.DeadLetters.Select(deadLetter => deadLetter.Message).ToList();
        PublishAsync(_publisher, lane.Topic, messages).PipeTo(
            Self,
            success: refused => new TopicAccepted(lane.Topic, refused),
            failure: error => new TopicFailed(lane.Topic, error));
    }

    private static async Task<IReadOnlyList<(string Id, string Why)>> PublishAsync(
        IPublisher publisher, string topic, List<OutgoingMessage> messages)
    {
        var refused = new List<(string, string)>();
        await new PublishBisection(
            batch => publisher.PublishAsync(topic, batch, CancellationToken.None),
            _ => Task.CompletedTask,
            (index, failure) => refused.Add((IdOf(messages[index]), failure.Message))).PublishAsync(messages);
        return refused;
    }

    private void Complete(TopicAccepted published)
    {
        var lane = _lanes[published.Topic];
        lane.IsPublishing = false;
        if (lane.Failures > 0)
        {
            _log.Info("Topic {Topic} accepts dead letters again after {Attempts} failed attempts", lane.Topic, lane.Failures);
        }

        lane.Failures = 0;
        lane.Refusal = null;
        foreach (var (id, why) in published.Refused)
        {
            _log.Error("Dead letter {DeadLetterId} is kept in its row only, topic {Topic} does not accept it: {Error}", id, lane.Topic, why);
        }

        var (request, replyTo) = lane.Requests.Dequeue();
        lane.Held -= request.DeadLetters.Count;
        replyTo.Tell(new DeadLettersPublished(request.Correlation, published.Refused));
        if (lane.Requests.Count > 0)
        {
            Publish(lane);
        }
    }

    private void Retry(TopicFailed failed)
    {
        var lane = _lanes[failed.Topic];
        lane.IsPublishing = false;
        lane.Failures++;
        lane.Refusal = failed.Error is PublishFailedException ? failed.Error.Message : null;
        _metrics.Retried("dead-letter");
        var delay = _backoff.After(lane.Failures);
        if (lane.Failures is 1 || lane.Failures % 10 == 0)
        {
            _log.Log(
                lane.Refusal is null ? LogLevel.WarningLevel : LogLevel.ErrorLevel,
                null,
                "Topic {Topic} does not accept dead letters (attempt {Attempt}); {Held} messages stay unacked, next attempt in {Delay:0.0} s: {Error}",
                lane.Topic, lane.Failures, lane.Held, delay.TotalSeconds, failed.Error.Message);
        }

        if (_draining)
        {
            Abandon(lane);
            return;
        }

        RefuseExcess(lane);
        Timers.StartSingleTimer(lane.Topic, new RepeatTopic(lane.Topic), delay);
    }

    // What is beyond the bound was accepted before it was known that the topic refuses.
    private static void RefuseExcess(TopicLane lane)
    {
        if (lane.Refusal is not { } refusal || lane.Held <= MostHeld)
        {
            return;
        }

        var requests = lane.Requests.ToArray();
        lane.Requests.Clear();
        lane.Held = 0;
        foreach (var (request, replyTo) in requests)
        {
            if (lane.Requests.Count > 0 && lane.Held + request.DeadLetters.Count > MostHeld)
            {
                Refuse(request, replyTo, refusal);
            }
            else
            {
                lane.Requests.Enqueue((request, replyTo));
                lane.Held += request.DeadLetters.Count;
            }
        }
    }

    private static void Refuse(PublishDeadLetters request, IActorRef replyTo, string why) => replyTo.Tell(
        new DeadLettersPublished(request.Correlation, [.. request.DeadLetters.Select(deadLetter => (IdOf(deadLetter.Message), why))]));

    private void Abandon(TopicLane lane)
    {
        Timers.Cancel(lane.Topic);
        foreach (var (request, replyTo) in lane.Requests)
        {
            replyTo.Tell(new DeadLettersAbandoned(request.Correlation));
        }

        lane.Requests.Clear();
        lane.Held = 0;
    }

    private static string IdOf(OutgoingMessage message) => message.Attributes[DeadLetter.Id];

    private sealed class TopicLane(string topic)
    {
        public string Topic { get; } = topic;

        public Queue<(PublishDeadLetters Request, IActorRef ReplyTo)> Requests { get; } = new();

        /// <summary>Messages in the requests.</summary>
        public int Held { get; set; }

        public bool IsPublishing { get; set; }

        public int Failures { get; set; }

        /// <summary>Why the topic does not accept anything; null while it does, or fails only for now.</summary>
        public string? Refusal { get; set; }
    }

    private sealed record TopicAccepted(string Topic, IReadOnlyList<(string Id, string Why)> Refused) : INoSerializationVerificationNeeded;

    private sealed record TopicFailed(string Topic, Exception Error) : INoSerializationVerificationNeeded;

    private sealed record RepeatTopic(string Topic) : INoSerializationVerificationNeeded;
}
