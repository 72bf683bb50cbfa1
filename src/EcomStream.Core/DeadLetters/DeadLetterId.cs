using System.Globalization;
using System.Text;

namespace EcomStream.Core;

/// <summary>
/// The ids of dead letters: <c>ORDER-PAYMENT</c> for a payment of an order, such as <c>17-1017</c>, and
/// <c>SUBSCRIPTION-MESSAGE</c> for a message that is no such payment, such as <c>orders_data-sub-4711</c>.
/// </summary>
public static class DeadLetterId
{
    private const ulong FnvOffset = 14_695_981_039_346_656_037;
    private const ulong FnvPrime = 1_099_511_628_211;

    /// <summary>The id of a payment.</summary>
    /// <param name="orderId">Its order.</param>
    /// <param name="paymentKey"><see cref="Payment.Key"/>.</param>
    public static string OfPayment(long orderId, string paymentKey) =>
        string.Create(CultureInfo.InvariantCulture, $"{orderId}-{paymentKey}");

    /// <summary>The id of a message.</summary>
    /// <param name="subscription">The subscription that it came from, as configured; names begin with a letter.</param>
    /// <param name="messageId">Its id there.</param>
    public static string OfMessage(string subscription, string messageId) => $"{subscription}-{messageId}";

    /// <summary>Whether a payment key is the id of a message rather than that of a payment of an order.</summary>
    public static bool NamesMessage(string paymentKey) =>
        paymentKey.Length > 0 && char.IsAsciiLetter(paymentKey[0]) && paymentKey != Payment.NoKey;

    /// <summary>The key of the unmatched row that an id names.</summary>
    /// <returns>False when it is no id of a dead letter.</returns>
    public static bool TryGetRowKey(string id, out (long OrderId, string PaymentKey) key)
    {
        if (NamesMessage(id))
        {
            key = (OrderOfMessage(id), id);
            return true;
        }

        var dash = id.Length > 1 ? id.IndexOf('-', 1) : -1;
        if (dash > 0 && dash < id.Length - 1
            && long.TryParse(id.AsSpan(0, dash), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out var orderId))
        {
            key = (orderId, id[(dash + 1)..]);
            return true;
        }

        key = default;
        return false;
    }

    /// <summary>What stands for the order of a message's row: its id's FNV-1a hash, made negative.</summary>
    public static long OrderOfMessage(string id)
    {
        var hash = FnvOffset;
        foreach (var octet in Encoding.UTF8.GetBytes(id))
        {
            hash = (hash ^ octet) * FnvPrime;
        }

        return (long)(hash | (1UL << 63));
    }
}
