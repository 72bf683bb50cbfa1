using Akka.Actor;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// Some shards with everything below the router: supervisors, writers, the unmatched index with its writer and sweeper, and
/// the dead-letter sink. A local pipeline has one group with every shard; in a cluster each shard is a group of its own.
/// </summary>
/// <param name="settings">The settings.</param>
/// <param name="store">Facts and unmatched payments.</param>
/// <param name="publisher">Publishes dead letters.</param>
/// <param name="metrics">The counters.</param>
/// <param name="time">The clock.</param>
internal sealed class ShardGroup(EcomStreamSettings settings, IFactStore store, IPublisher publisher, EcomStreamMetrics metrics, TimeProvider time)
{
    private const string IoDispatcher = "ecomstream.io-dispatcher";

    private IReadOnlyList<IActorRef> _writers = [];

    /// <summary>The orders of these shards that have unmatched payments.</summary>
    public UnmatchedIndex Index { get; } = new();

    /// <summary>Is told which deliveries are given back unsettled; null for nobody.</summary>
    public Action<Delivery>? GivenBack { get; init; }

    /// <summary>Leads to the supervisors.</summary>
    public OrderRouter Router { get; } = new();

    /// <summary>The writer of unmatched rows.</summary>
    public IActorRef Unmatched { get; private set; } = ActorRefs.Nobody;

    /// <summary>Starts the dead-letter sink and the writer of unmatched rows: all that a node without shards needs.</summary>
    /// <param name="parent">The parent of the actors.</param>
    public void StartUnmatched(IActorRefFactory parent)
    {
        var sink = parent.ActorOf(DeadLetterSink.Props(publisher, settings.DeadLetterBackoff, metrics).WithDispatcher(IoDispatcher), "dead-letter-sink");
        Unmatched = parent.ActorOf(UnmatchedWriter.Props(settings, store, sink, Index, metrics, time).WithDispatcher(IoDispatcher), "unmatched");
    }

    /// <summary>Starts everything: first what the others send to.</summary>
    /// <param name="parent">The parent of the actors.</param>
    /// <param name="shards">The numbers of the shards: all of them, or one.</param>
    /// <param name="watermark">How far the orders have been read.</param>
    public void Start(IActorRefFactory parent, IReadOnlyList<int> shards, Func<WatermarkReading> watermark)
    {
        StartUnmatched(parent);
        _writers =
        [
            .. Enumerable.Range(0, Math.Min(settings.Writers, shards.Count)).Select(n => parent.ActorOf(
                FactWriter.Props(settings, store, Unmatched, Router, Index, metrics, time).WithDispatcher(IoDispatcher), $"writer-{n}")),
        ];
        Router.Use(
        [
            .. shards.Select((shard, n) => parent.ActorOf(
                OrderSupervisor.Props(settings, _writers[n % _writers.Count], Unmatched, Index, GivenBack), $"shard-{shard}")),
        ]);
        parent.ActorOf(UnmatchedSweeper.Props(settings, store, watermark, Router, Unmatched, Index), "sweeper");
    }

    /// <summary>
    /// Gives waiting payments their rows, and completes when every write asked for before has become durable or has failed at
    /// least once since.
    /// </summary>
    public async Task FlushAsync(CancellationToken cancellationToken)
    {
        Router.Broadcast(ParkAll.Instance);
        foreach (var writer in _writers)
        {
            await writer.Ask<WriterDrained>(DrainWriter.Instance, cancellationToken);
        }

        await Unmatched.Ask<UnmatchedDrained>(DrainUnmatched.Instance, cancellationToken);
    }
}
