namespace EcomStream.Core;

/// <summary>The names by which stores keep <see cref="UnmatchedState"/>.</summary>
public static class UnmatchedStates
{
    /// <summary>waiting, dead-lettered, healed or discarded.</summary>
    public static string ToText(this UnmatchedState state) => state switch
    {
        UnmatchedState.Waiting => "waiting",
        UnmatchedState.DeadLettered => "dead-lettered",
        UnmatchedState.Healed => "healed",
        UnmatchedState.Discarded => "discarded",
        _ => throw new ArgumentOutOfRangeException(nameof(state), state, "Not a state of an unmatched payment."),
    };

    /// <summary>The state of a name.</summary>
    public static bool TryParse(string text, out UnmatchedState state)
    {
        (var known, state) = text switch
        {
            "waiting" => (true, UnmatchedState.Waiting),
            "dead-lettered" => (true, UnmatchedState.DeadLettered),
            "healed" => (true, UnmatchedState.Healed),
            "discarded" => (true, UnmatchedState.Discarded),
            _ => (false, default),
        };
        return known;
    }

    /// <summary>The state that a store's row names.</summary>
    /// <exception cref="StoreRejectedException">There is none of that name.</exception>
    public static UnmatchedState OfRow(string text) =>
        TryParse(text, out var state)
            ? state
            : throw new StoreRejectedException($"unmatched_payments has the unknown state '{text}': correct or remove the row.");
}
