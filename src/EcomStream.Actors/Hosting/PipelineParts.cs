using Akka.Actor;
using Akka.Event;
using Akka.Streams;

namespace EcomStream.Actors;

/// <summary>The actors and streams of a pipeline, as children of its actor.</summary>
internal sealed class PipelineParts
{
    private const string IoDispatcher = "ecomstream.io-dispatcher";

    private readonly EcomStreamPipeline _pipeline;
    private readonly IActorContext _context;

    private PipelineParts(EcomStreamPipeline pipeline, IActorContext context) => (_pipeline, _context) = (pipeline, context);

    /// <summary>Leads to the shards.</summary>
    public OrderRouter Router { get; } = new();

    /// <summary>The writer of unmatched rows.</summary>
    public IActorRef Unmatched { get; private set; } = ActorRefs.Nobody;

    /// <summary>The writers of facts.</summary>
    public IReadOnlyList<IActorRef> Writers { get; private set; } = [];

    /// <summary>The streams: their controls, and tasks that complete when they have ended.</summary>
    public IReadOnlyList<(SubscriptionControl Control, Task Ended)> Streams { get; private set; } = [];

    /// <summary>Starts them: first what the others send to, at last the streams.</summary>
    public static PipelineParts Start(EcomStreamPipeline pipeline, IActorContext context)
    {
        var parts = new PipelineParts(pipeline, context);
        parts.StartUnmatched();
        parts.StartWriters();
        parts.StartShards();
        parts.StartSweeper();
        parts.StartMonitors();
        parts.StartStreams();
        return parts;
    }

    private void StartUnmatched()
    {
        var (settings, ports, metrics) = (_pipeline.Settings, _pipeline.Ports, _pipeline.Metrics);
        var sink = _context.ActorOf(
            DeadLetterSink.Props(ports.Publisher, settings.DeadLetterBackoff, metrics).WithDispatcher(IoDispatcher), "dead-letter-sink");
        Unmatched = _context.ActorOf(
            UnmatchedWriter.Props(settings, ports.Store, sink, _pipeline.Index, metrics, _pipeline.Time).WithDispatcher(IoDispatcher), "unmatched");
    }

    private void StartWriters() => Writers =
    [
        .. Enumerable.Range(0, _pipeline.Settings.Writers).Select(n => _context.ActorOf(
            FactWriter
                .Props(_pipeline.Settings, _pipeline.Ports.Store, Unmatched, Router, _pipeline.Index, _pipeline.Metrics, _pipeline.Time)
                .WithDispatcher(IoDispatcher),
            $"writer-{n}")),
    ];

    private void StartShards() => Router.Use(
    [
        .. Enumerable.Range(0, _pipeline.Settings.Shards).Select(n => _context.ActorOf(
            OrderSupervisor.Props(_pipeline.Settings, Writers[n % Writers.Count], Unmatched, _pipeline.Index), $"shard-{n}")),
    ]);

    private void StartSweeper() => _context.ActorOf(
        UnmatchedSweeper.Props(_pipeline.Settings, _pipeline.Ports.Store, _pipeline.Monitors[0].Read, Router, Unmatched, _pipeline.Index),
        "sweeper");

    private void StartMonitors()
    {
        foreach (var (n, monitor) in _pipeline.Monitors.Index())
        {
            _context.ActorOf(SubscriptionMonitorActor.Props(monitor, _pipeline.Settings.ProbeInterval, _pipeline.Time), $"monitor-{n}");
        }
    }

    private void StartStreams()
    {
        var (settings, metrics) = (_pipeline.Settings, _pipeline.Metrics);
        var log = Logging.GetLogger(_context.System, "EcomStream.Actors.MessageDecoder");
        var materializer = _context.Materializer();
        MessageDecoder[] decoders =
        [
            new OrderDecoder(Unmatched, settings, metrics, log),
            new PaymentDecoder(Unmatched, settings, metrics, log),
            new DeadLetterDecoder(Unmatched, settings, metrics, log),
        ];
        Streams =
        [
            .. _pipeline.Ports.Subscriptions.Index().Select(subscription =>
            {
                var (control, ended) = IngestGraph
                    .Create(subscription.Item, _pipeline.Monitors[subscription.Index], decoders[subscription.Index], settings.Decoders, Router)
                    .Run(materializer);
                return (control, (Task)ended);
            }),
        ];
    }
}
