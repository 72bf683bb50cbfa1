using Akka.Actor;
using Akka.Event;
using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>
/// Keeps what cannot be joined: writes the rows of payments that wait, publishes dead letters, marks rows healed.
/// It works through its commands in order, a batch at a time, and tries a batch until it succeeds; messages are
/// settled when their row is written or their dead letter published.
/// </summary>
internal sealed class DeadLetterSink : UntypedActor, IWithTimers
{
    private readonly SinkContext _context;
    private readonly ILoggingAdapter _log = Context.GetLogger();
    private readonly Queue<SinkCommand> _queue = new();
    private readonly List<IActorRef> _draining = [];
    private bool _busy;
    private int _failures;

    public DeadLetterSink(SinkContext context) => _context = context;

    public ITimerScheduler Timers { get; set; } = null!;

    protected override void OnReceive(object message)
    {
        switch (message)
        {
            case SinkCommand command:
                _queue.Enqueue(command);
                Start();
                break;
            case Done done:
                _busy = false;
                _failures = 0;
                Report(done.Batch);
                Start();
                break;
            case Failed failed:
                Retry(failed);
                break;
            case DeadLetterBatch batch:
                Run(batch);
                break;
            case DrainSink:
                _draining.Add(Sender);
                Start();
                break;
            default:
                Unhandled(message);
                break;
        }
    }

    private void Start()
    {
        if (_busy)
        {
            return;
        }

        if (_queue.Count == 0)
        {
            foreach (var waiting in _draining)
            {
                waiting.Tell(SinkDrained.Instance, ActorRefs.NoSender);
            }

            _draining.Clear();
            return;
        }

        _busy = true;
        var commands = new List<SinkCommand>(Math.Min(_queue.Count, _context.Settings.DeadLetterBatchSize));
        while (commands.Count < _context.Settings.DeadLetterBatchSize && _queue.TryDequeue(out var command))
        {
            commands.Add(command);
        }

        Run(new DeadLetterBatch(_context, commands));
    }

    private void Run(DeadLetterBatch batch) =>
        batch.RunAsync(CancellationToken.None).PipeTo(
            Self,
            success: () => new Done(batch),
            failure: error => new Failed(batch, error));

    private void Retry(Failed failed)
    {
        _failures++;
        _context.Metrics.Retried("dead-letter");
        var delay = _context.Settings.DeadLetterBackoff.After(_failures);
        if (_failures is 1 || _failures % 10 == 0)
        {
            _log.Warning(
                "{0} unmatched or malformed messages could not be kept (failure {1}); they stay unacked, next try in {2:0.0} s: {3}",
                failed.Batch.Count, _failures, delay.TotalSeconds, failed.Error.Message);
        }

        Timers.StartSingleTimer(nameof(Retry), failed.Batch, delay);
    }

    private void Report(DeadLetterBatch batch)
    {
        var ledger = batch.Ledger;
        foreach (var (reason, messages) in ledger.LettersByReason)
        {
            _context.Metrics.DeadLettered(reason, messages);
        }

        if (ledger.Healed.Count > 0)
        {
            _context.Metrics.Healed(ledger.Healed.Count);
            _log.Info("{0} dead letters or waiting payments were joined after all, the last is {1}", ledger.Healed.Count, ledger.Healed[^1]);
        }

        if (ledger.Parked > 0)
        {
            _context.Metrics.Parked(ledger.Parked);
        }
    }

    private sealed record Done(DeadLetterBatch Batch);

    private sealed record Failed(DeadLetterBatch Batch, Exception Error);
}
