using EcomStream.Core;

namespace EcomStream.Actors;

/// <summary>What an order's actor does with the answers to its requests.</summary>
internal sealed partial class OrderActor
{
    private void Parked(PaymentsParked parked)
    {
        if (_requests is not { } requests || parked.Correlation <= requests.Forgotten)
        {
            return;
        }

        requests.Parking--;
        if (parked.NotWaiting is { } notWaiting)
        {
            _state = _state.Without(notWaiting);
        }
    }

    private void Loaded(OrderLoaded loaded)
    {
        var requests = _requests!;
        var cause = requests.Cause;
        _state = _state.Loaded(loaded.Row, loaded.Unmatched, loaded.HasMore, out var decision);
        requests.Cause = null;
        requests.Awaited = 0;
        if (cause is RecheckOrder recheck)
        {
            requests.Recheck = recheck;
            if (decision == Decision.Nothing)
            {
                _state = _state.GiveUp(recheck.WatermarkMicros, _shard.Settings.Grace, out decision);
            }
        }
        else if (cause is OrderMessage or PaymentRefused)
        {
            requests.Again = cause is PaymentRefused refused ? refused.Payment : (OrderMessage)cause;
        }

        _state = _state.Bounded();
        CarryOut(decision, null);
        Continue();
    }

    private void DeadLettered()
    {
        var requests = _requests!;
        var rest = requests.AfterDeadLetters!.Value;
        requests.Awaited = 0;
        CarryOut(rest, null);
        requests.AfterDeadLetters = null;

        // An operator may have discarded them by now.
        _state = _state.WithoutGivenUp();
        Continue();
    }
}
