using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// The root of a pipeline and the owner of its lifecycle: opens the store, learns which orders have unmatched payments,
/// starts the parts, and ends them. A failure of any part is a failure of the pipeline: the sources stop, messages in
/// flight go back to their subscriptions, and the reason is logged and reported once.
/// </summary>
internal sealed class PipelineActor : UntypedActor, IWithTimers
{
    private static readonly TimeSpan CloseTimeout = TimeSpan.FromSeconds(5);

    private readonly EcomStreamPipeline _pipeline;
    private readonly ICancelable _stopping = Cancelables.New(Context);
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private PipelineParts? _parts;
    private int _attempts;
    private bool _isEnding;

    /// <summary>Makes the actor; see <see cref="Props"/>.</summary>
    public PipelineActor(EcomStreamPipeline pipeline) => _pipeline = pipeline;

    public ITimerScheduler Timers { get; set; } = null!;

    /// <summary>The root of a pipeline.</summary>
    public static Props Props(EcomStreamPipeline pipeline) => Akka.Actor.Props.Create(() => new PipelineActor(pipeline));

    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(failure =>
    {
        Fail(failure);
        return Directive.Stop;
    });

    protected override void PreStart()
    {
        foreach (var subscription in _pipeline.Ports.Subscriptions)
        {
            subscription.AcksRefused += AcksRefused;
        }

        Open();
    }

    protected override void PostStop()
    {
        foreach (var subscription in _pipeline.Ports.Subscriptions)
        {
            subscription.AcksRefused -= AcksRefused;
        }

        _stopping.Cancel();
        _pipeline.MarkEnded();
    }

    protected override void OnReceive(object message)
    {
        try
        {
            Handle(message);
        }
        catch (Exception failure)
        {
            Fail(failure);
        }
    }

    private void Handle(object message)
    {
        switch (message)
        {
            case PipelineEnded:
                Context.Stop(Self);
                break;
            case not PipelineEnded when _isEnding:
                break;
            case StoreOpened:
                Start();
                break;
            case StoreFailed { Error: StoreUnavailableException unavailable }:
                var delay = _pipeline.Settings.WriteBackoff.After(++_attempts);
                _log.Warning("The store is unavailable (attempt {Attempt}); next attempt in {Delay:0.0} s: {Error}", _attempts, delay.TotalSeconds, unavailable.Message);
                Timers.StartSingleTimer(nameof(Open), RepeatOpen.Instance, delay);
                break;
            case StoreFailed failed:
                Fail(failed.Error);
                break;
            case RepeatOpen:
                Open();
                break;
            case FailPipeline { Reason: var reason }:
                Fail(reason);
                break;
            case StreamEnded { Failure: { } failure }:
                Fail(failure);
                break;
            case StreamEnded ended:
                // A finite source, as tests use: what it brought is still being joined.
                _log.Info("Subscription {Subscription} has ended and brings no more messages", ended.Subscription);
                break;
            case Terminated terminated:
                Fail(new InvalidOperationException($"The actor {terminated.ActorRef.Path.Name} of the pipeline stopped."));
                break;
            case InspectOrder inspect when _parts is null:
                inspect.ReplyTo.Tell(new OrderInspected(null), ActorRefs.NoSender);
                break;
            case InspectOrder inspect:
                _pipeline.Shards.Router.Route(inspect);
                break;
            case DrainPipeline:
                Drain();
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    // On any thread. What the messages caused is durable, and is the same when they are delivered again.
    private void AcksRefused(RefusedAcks refused)
    {
        _pipeline.Metrics.AcksRefused(refused.Subscription, refused.Deliveries.Count);
        _log.Warning(
            "{Count} messages of subscription {Subscription} were handled, and the broker refused their acks: they will be handled again, which changes no row",
            refused.Deliveries.Count, refused.Subscription);
    }

    private void Open()
    {
        OpenAsync().PipeTo(Self, success: () => StoreOpened.Instance, failure: error => new StoreFailed(error));

        async Task OpenAsync()
        {
            await _pipeline.Ports.Store.InitializeAsync(_stopping.Token);
            await CleanStops.TakeAsync(_pipeline, _stopping.Token);
            await _pipeline.Shards.OpenAsync(_stopping.Token);
        }
    }

    private void Start()
    {
        _parts = PipelineParts.Start(_pipeline, Context);
        foreach (var child in Context.GetChildren())
        {
            Context.Watch(child);
        }

        foreach (var (subscription, (_, ended)) in _pipeline.Ports.Subscriptions.Zip(_parts.Streams))
        {
            ended.PipeTo(
                Self,
                success: () => new StreamEnded(subscription.Name, null),
                failure: error => new StreamEnded(subscription.Name, error));
        }

        _pipeline.MarkStarted();
        _log.Info(
            "Joining {Orders} and {Payments} over {Shards}",
            _pipeline.Ports.Orders.Name, _pipeline.Ports.Payments.Name, _pipeline.Shards.ToString());
    }

    private void Drain()
    {
        _isEnding = true;
        _stopping.Cancel();
        PipelineDrain.RunAsync(_pipeline, _parts, _log).PipeTo(Self, success: () => PipelineEnded.Instance, failure: _ => PipelineEnded.Instance);
    }

    private void Fail(Exception failure)
    {
        if (_isEnding)
        {
            return;
        }

        _isEnding = true;
        _stopping.Cancel();
        _log.Error(PipelineFailures.Trace(failure), "The pipeline {Pipeline} has failed and stops; messages in flight go back to their subscriptions: {Error}", _pipeline.Name, failure.Message);
        _pipeline.MarkFailed(failure);
        StopAsync().PipeTo(Self, success: () => PipelineEnded.Instance, failure: _ => PipelineEnded.Instance);

        async Task StopAsync()
        {
            await Task.WhenAll((_parts?.Streams ?? []).Select(stream => stream.Control.StopAsync()));
            await PipelineDrain.CloseAsync(_pipeline, CloseTimeout);
        }
    }

    private sealed record StoreFailed(Exception Error) : INoSerializationVerificationNeeded;

    private sealed record StreamEnded(string Subscription, Exception? Failure) : INoSerializationVerificationNeeded;

    private sealed class StoreOpened : INoSerializationVerificationNeeded
    {
        public static readonly StoreOpened Instance = new();
    }

    private sealed class PipelineEnded : INoSerializationVerificationNeeded
    {
        public static readonly PipelineEnded Instance = new();
    }

    private sealed class RepeatOpen : INoSerializationVerificationNeeded
    {
        public static readonly RepeatOpen Instance = new();
    }
}

/// <summary>Ends the pipeline in order: from whoever runs it.</summary>
internal sealed class DrainPipeline : INoSerializationVerificationNeeded
{
    public static readonly DrainPipeline Instance = new();
}

/// <summary>Ends the pipeline as failed: from whoever runs it.</summary>
/// <param name="Reason">Why.</param>
internal sealed record FailPipeline(Exception Reason) : INoSerializationVerificationNeeded;
