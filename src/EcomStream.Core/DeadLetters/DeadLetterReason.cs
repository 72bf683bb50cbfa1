namespace EcomStream.Core;

/// <summary>Why a message was dead-lettered.</summary>
public enum DeadLetterReason
{
    /// <summary>A payment whose order did not come within the grace.</summary>
    NoMatchingOrder = 0,

    /// <summary>A payment that a newer payment with another payment id displaces.</summary>
    Superseded = 1,

    /// <summary>No JSON object, or one without a usable order id.</summary>
    Malformed = 2,

    /// <summary>The store will never take it.</summary>
    StoreRejected = 3,
}

/// <summary>The reasons as they stand in the attribute <c>reason</c> of a dead letter.</summary>
public static class DeadLetterReasons
{
    /// <summary>The attribute's value, such as "no-matching-order".</summary>
    public static string ToAttribute(this DeadLetterReason reason) => reason switch
    {
        DeadLetterReason.NoMatchingOrder => "no-matching-order",
        DeadLetterReason.Superseded => "superseded",
        DeadLetterReason.Malformed => "malformed",
        DeadLetterReason.StoreRejected => "store-rejected",
        _ => throw new ArgumentOutOfRangeException(nameof(reason), reason, "Not a dead-letter reason."),
    };

    /// <summary>Reads an attribute's value.</summary>
    /// <returns>False when <paramref name="attribute"/> is none of the reasons.</returns>
    public static bool TryParse(string attribute, out DeadLetterReason reason)
    {
        foreach (var candidate in Enum.GetValues<DeadLetterReason>())
        {
            if (candidate.ToAttribute() == attribute)
            {
                reason = candidate;
                return true;
            }
        }

        reason = default;
        return false;
    }

    /// <summary>The reason that a store's row names.</summary>
    /// <exception cref="StoreRejectedException">There is none of that name.</exception>
    public static DeadLetterReason OfRow(string text) =>
        TryParse(text, out var reason)
            ? reason
            : throw new StoreRejectedException($"unmatched_payments has the unknown reason '{text}': correct or remove the row.");
}
