using Akka.Actor;
using Akka.Event;
using Akka.Streams;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// The root of the pipeline: opens the store, learns which orders have unmatched payments, then starts the sink, the
/// writers, the shards, the sweeper and the two streams. A failure of any of them is a failure of the pipeline.
/// </summary>
internal sealed class PipelineActor : UntypedActor, IWithTimers
{
    private readonly EcomStreamPipeline _pipeline;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private int _failures;

    public PipelineActor(EcomStreamPipeline pipeline) => _pipeline = pipeline;

    public ITimerScheduler Timers { get; set; } = null!;

    protected override SupervisorStrategy SupervisorStrategy() => new OneForOneStrategy(failure =>
    {
        _pipeline.Fail(failure);
        return Directive.Stop;
    });

    protected override void PreStart() => Open();

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case Opened or Status.Failure { Cause: OperationCanceledException } or TryAgain when _pipeline.Stopping.IsCancellationRequested:
                // Told to stop before it had started: there is nothing to drain, and it is no failure.
                break;
            case Opened:
                Start();
                break;
            case Status.Failure { Cause: StoreUnavailableException unavailable }:
                _failures++;
                var delay = _pipeline.Settings.WriteBackoff.After(_failures);
                _log.Warning("The store is not there (failure {0}); next try in {1:0.0} s: {2}", _failures, delay.TotalSeconds, unavailable.Message);
                Timers.StartSingleTimer(nameof(Open), TryAgain.Instance, delay);
                break;
            case Status.Failure failure:
                _pipeline.Fail(failure.Cause);
                break;
            case TryAgain:
                Open();
                break;
            case StreamEnded ended:
                if (ended.Failure is { } cause)
                {
                    _pipeline.Fail(cause);
                }

                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void Open()
    {
        OpenStore(_pipeline).PipeTo(Self);

        static async Task<Opened> OpenStore(EcomStreamPipeline pipeline)
        {
            await pipeline.Ports.Store.InitializeAsync(pipeline.Stopping);
            await foreach (var payment in pipeline.Ports.Store.ListHealableAsync(pipeline.Stopping))
            {
                pipeline.Index.Add(payment);
            }

            return new Opened();
        }
    }

    private void Start()
    {
        var (settings, ports, index, metrics, time) = (_pipeline.Settings, _pipeline.Ports, _pipeline.Index, _pipeline.Metrics, _pipeline.Time);
        var router = _pipeline.Router;
        var sink = Context.ActorOf(
            Props.Create(() => new DeadLetterSink(new SinkContext(settings, ports.Store, ports.Publisher, index, metrics, time)))
                .WithDispatcher("ecomstream.io-dispatcher"),
            "dead-letter-sink");

        _pipeline.Sink = sink;
        var writerContext = new WriterContext(settings, ports.Store, sink, router, index, metrics, time);
        var writers = Enumerable.Range(0, settings.Writers)
            .Select(n => Context.ActorOf(
                Props.Create(() => new FactWriter(writerContext)).WithDispatcher("ecomstream.io-dispatcher"),
                $"writer-{n}"))
            .ToArray();

        router.Use([.. Enumerable.Range(0, settings.Shards)
            .Select(n =>
            {
                var shard = new ShardContext(settings, writers[n % writers.Length], sink, index);
                return Context.ActorOf(
                    Props.Create(() => new OrderSupervisor(shard)).WithDispatcher("ecomstream.shard-dispatcher"),
                    $"shard-{n}");
            })]);

        var watermark = _pipeline.Watermark;
        Context.ActorOf(
            Props.Create(() => new UnmatchedSweeper(new SweeperContext(settings, ports.Store, ports.Orders, watermark, router, sink, index))),
            "sweeper");

        var materializer = Context.Materializer();
        Task[] streams =
        [
            Ingest(ports.Orders, new OrderDecoder(settings, sink, metrics), _pipeline.OrdersReceived),
            Ingest(ports.Payments, new PaymentDecoder(settings, sink, metrics), _pipeline.Received),
            .. ports.DeadLetters is { } letters ? [Ingest(letters, new DeadLetterDecoder(sink, metrics), _pipeline.Received)] : Array.Empty<Task>(),
        ];
        _pipeline.MarkStarted(streams);
        foreach (var stream in streams)
        {
            stream.PipeTo(Self, success: () => new StreamEnded(null), failure: failure => new StreamEnded(failure));
        }

        Task Ingest(ISubscription subscription, MessageDecoder decoder, Action<IReadOnlyList<Delivery>> received) => IngestGraph
            .Create(subscription, decoder, router, settings.Decoders, received, _pipeline.Fail, _pipeline.Stopping)
            .Run(materializer);

        _log.Info(
            "Joining {0} and {1} over {2} shards; {3} orders have unmatched payments, {4} of them wait",
            ports.Orders.Name, ports.Payments.Name, settings.Shards, index.Count, index.Waiting);
    }

    private sealed record Opened;

    private sealed record StreamEnded(Exception? Failure);

    private sealed class TryAgain
    {
        public static readonly TryAgain Instance = new();
    }
}
