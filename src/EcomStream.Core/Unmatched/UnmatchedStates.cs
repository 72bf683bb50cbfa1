namespace EcomStream.Core;

/// <summary>What stores share about the state of an unmatched payment: its name in a row, whether an order heals it, and whether it is unjoined.</summary>
public static class UnmatchedStates
{
    private static readonly UnmatchedState[] _states = Enum.GetValues<UnmatchedState>();

    /// <summary>waiting, dead-lettered, healed or discarded.</summary>
    public static string ToText(this UnmatchedState state) => state switch
    {
        UnmatchedState.Waiting => "waiting",
        UnmatchedState.DeadLettered => "dead-lettered",
        UnmatchedState.Healed => "healed",
        UnmatchedState.Discarded => "discarded",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, "Not a state of an unmatched payment."),
    };

    /// <summary>The state that a store's row names.</summary>
    /// <exception cref="StoreRejectedException">There is none of that name.</exception>
    public static UnmatchedState OfRow(string text)
    {
        foreach (var state in _states)
        {
            if (state.ToText() == text)
            {
                return state;
            }
        }

        throw new StoreRejectedException($"unmatched_payments has the unknown state '{text}': correct or remove the row.");
    }

    /// <summary>Whether an order that arrives now is to take a payment in this state, here for this reason.</summary>
    public static bool IsHealable(this UnmatchedState state, DeadLetterReason reason) =>
        state == UnmatchedState.Waiting || (state == UnmatchedState.DeadLettered && reason == DeadLetterReason.NoMatchingOrder);

    /// <summary>
    /// Whether a payment in this state, here for this reason, had no order and has not been joined: an order would heal it, or an
    /// operator has discarded it.
    /// </summary>
    public static bool IsUnjoined(this UnmatchedState state, DeadLetterReason reason) =>
        state.IsHealable(reason) || (state == UnmatchedState.Discarded && reason == DeadLetterReason.NoMatchingOrder);
}
