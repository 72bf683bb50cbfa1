using Akka.Actor;
using Akka.Event;
using Akka.Streams;

namespace EcomStream.Actors;

/// <summary>The actors and streams of a pipeline, as children of its actor.</summary>
internal sealed class PipelineParts
{
    private readonly EcomStreamPipeline _pipeline;
    private readonly IActorContext _context;

    private PipelineParts(EcomStreamPipeline pipeline, IActorContext context) => (_pipeline, _context) = (pipeline, context);

    /// <summary>The streams: their controls, and tasks that complete when they have ended.</summary>
    public IReadOnlyList<(SubscriptionControl Control, Task Ended)> Streams { get; private set; } = [];

    /// <summary>Starts them: first what the others send to, at last the streams.</summary>
    public static PipelineParts Start(EcomStreamPipeline pipeline, IActorContext context)
    {
        var parts = new PipelineParts(pipeline, context);
        pipeline.Shards.Start(context);
        parts.StartMonitors();
        parts.StartStreams();
        return parts;
    }

    private void StartMonitors()
    {
        foreach (var (n, monitor) in _pipeline.Monitors.Index())
        {
            _context.ActorOf(SubscriptionMonitorActor.Props(monitor, _pipeline.Settings.ProbeInterval, _pipeline.Time), $"monitor-{n}");
        }
    }

    private void StartStreams()
    {
        var (settings, metrics, unmatched) = (_pipeline.Settings, _pipeline.Metrics, _pipeline.Shards.Unmatched);
        var log = Logging.GetLogger(_context.System, typeof(MessageDecoder));
        var materializer = _context.Materializer();
        MessageDecoder[] decoders =
        [
            new OrderDecoder(unmatched, settings, metrics, log),
            new PaymentDecoder(unmatched, settings, metrics, log),
            new DeadLetterDecoder(unmatched, settings, metrics, log),
        ];
        Streams =
        [
            .. _pipeline.Ports.Subscriptions.Index().Select(subscription =>
            {
                var (control, ended) = IngestGraph
                    .Create(subscription.Item, _pipeline.Monitors[subscription.Index], decoders[subscription.Index], settings.Decoders, _pipeline.Shards.Router)
                    .Run(materializer);
                return (control, (Task)ended);
            }),
        ];
    }
}
