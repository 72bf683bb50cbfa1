using Akka.Streams;
using Akka.Streams.Stage;
using EcomStream.Core;

namespace EcomStream.PubSub;

/// <summary>Pulls the enumeration of a subscription: one batch for each demand.</summary>
internal sealed class PubSubSourceStage(Func<PubSubSubscription> open)
    : GraphStageWithMaterializedValue<SourceShape<IReadOnlyList<Delivery>>, PubSubControl>
{
    private readonly Outlet<IReadOnlyList<Delivery>> _out = new("PubSubSource.out");

    public override SourceShape<IReadOnlyList<Delivery>> Shape => new(_out);

    public override ILogicAndMaterializedValue<PubSubControl> CreateLogicAndMaterializedValue(Attributes inheritedAttributes)
    {
        var control = new PubSubControl(open());
        return new LogicAndMaterializedValue<PubSubControl>(new Logic(this, control), control);
    }

    private sealed class Logic : OutGraphStageLogic
    {
        private readonly PubSubSourceStage _stage;
        private readonly PubSubControl _control;
        private readonly Action<Task<bool>> _moved;
        private IAsyncEnumerator<IReadOnlyList<Delivery>>? _batches;
        private Task<bool>? _moving;
        private bool _hasEndedWell;

        public Logic(PubSubSourceStage stage, PubSubControl control)
            : base(stage.Shape)
        {
            _stage = stage;
            _control = control;
            _moved = GetAsyncCallback<Task<bool>>(Moved);
            SetHandler(stage._out, this);
        }

        public override void PreStart() => _batches = _control.ReceiveAsync().GetAsyncEnumerator();

        public override void OnPull()
        {
            var moving = _batches!.MoveNextAsync();
            if (moving.IsCompletedSuccessfully)
            {
                // It waits for nothing.
                Emit(moving.Result);
                return;
            }

            var task = moving.AsTask();
            _moving = task;
            _ = CallBackAsync(task);
        }

        public override void OnDownstreamFinish(Exception cause)
        {
            _hasEndedWell = cause is SubscriptionWithCancelException.NonFailureCancellation;
            base.OnDownstreamFinish(cause);
        }

        public override void PostStop() => _ = CloseAsync();

        private async Task CallBackAsync(Task<bool> moving)
        {
            await ((Task)moving).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            _moved(moving);
        }

        private void Moved(Task<bool> moving)
        {
            _moving = null;
            if (moving.IsFaulted)
            {
                FailStage(moving.Exception!.InnerException!);
            }
            else
            {
                Emit(moving is { IsCompletedSuccessfully: true, Result: true });
            }
        }

        private void Emit(bool any)
        {
            if (any)
            {
                Push(_stage._out, _batches!.Current);
            }
            else
            {
                _hasEndedWell = true;
                CompleteStage();
            }
        }

        // An enumerator may be disposed only when it is not moving; what it still brings has nobody to go to.
        private async Task CloseAsync()
        {
            var moving = _moving;
            await _control.StopAsync();
            if (moving is not null)
            {
                await ((Task)moving).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                if (moving is { IsCompletedSuccessfully: true, Result: true })
                {
                    foreach (var delivery in _batches!.Current)
                    {
                        delivery.Nack();
                    }
                }
            }

            if (_batches is not null)
            {
                await _batches.DisposeAsync();
            }

            if (_hasEndedWell)
            {
                await _control.CloseWhenSettledAsync();
            }
            else
            {
                // Nobody settles the deliveries that were in a stream that failed, or whose materializer was shut down: they
                // are given back at once.
                await _control.DisposeAsync();
            }
        }
    }
}
