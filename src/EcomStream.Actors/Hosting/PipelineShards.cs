using Akka.Actor;

namespace EcomStream.Actors;

/// <summary>The shards as a pipeline uses them: in its own process, or on the nodes of a cluster.</summary>
internal abstract class PipelineShards
{
    /// <summary>Leads to the shards.</summary>
    public abstract OrderRouter Router { get; }

    /// <summary>The writer of unmatched rows, for messages that cannot be decoded.</summary>
    public abstract IActorRef Unmatched { get; }

    /// <summary>Orders with a payment that waits, in the shards of this process.</summary>
    public abstract int WaitingOrders { get; }

    /// <summary>How far the orders have been read, by every process that reads them.</summary>
    public abstract WatermarkReading Watermark();

    /// <summary>Prepares the start. The store is open by then.</summary>
    public abstract Task OpenAsync(CancellationToken cancellationToken);

    /// <summary>Starts the shards.</summary>
    /// <param name="context">The actor of the pipeline, the parent of the actors.</param>
    public abstract void Start(IActorContext context);

    /// <summary>
    /// Gives waiting payments their rows, and completes when every write asked for before has become durable or has failed at
    /// least once since.
    /// </summary>
    public abstract Task FlushAsync(CancellationToken cancellationToken);

    /// <summary>What has started, for the log.</summary>
    public abstract override string ToString();
}

/// <summary>Every shard is in this process.</summary>
/// <param name="pipeline">The pipeline.</param>
internal sealed class LocalShards(EcomStreamPipeline pipeline) : PipelineShards
{
    private readonly ShardGroup _group = new(pipeline.Settings, pipeline.Ports.Store, pipeline.Ports.Publisher, pipeline.Metrics, pipeline.Time)
    {
        GivenBack = pipeline.Monitors[0].GivenBack,
    };


    public override OrderRouter Router => _group.Router;

    public override IActorRef Unmatched => _group.Unmatched;

    public override int WaitingOrders => _group.Index.Waiting;

    public override WatermarkReading Watermark() => pipeline.Monitors[0].Read();

    public override async Task OpenAsync(CancellationToken cancellationToken)
    {
        await foreach (var payment in pipeline.Ports.Store.ListUnjoinedAsync(cancellationToken))
        {
            _group.Index.Add(payment);
        }
    }

    public override void Start(IActorContext context) =>
        _group.Start(context, [.. Enumerable.Range(0, pipeline.Settings.Shards)], Watermark);

    public override Task FlushAsync(CancellationToken cancellationToken) => _group.FlushAsync(cancellationToken);

    public override string ToString() =>
        $"{pipeline.Settings.Shards} local shards; {_group.Index.Count} orders have unmatched payments, {_group.Index.Waiting} of them wait";
}
