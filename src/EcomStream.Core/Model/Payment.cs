using System.Globalization;
using System.Security.Cryptography;
using System.Text;

namespace EcomStream.Core;

/// <summary>What a payment provider says of one payment. Optional fields that a publisher left out are null.</summary>
public sealed record Payment
{
    /// <summary>The key that versions before 0.2 gave to every payment without an id; rows with it may still exist.</summary>
    public const string NoKey = "none";

    /// <summary>The first character of the <see cref="Key"/> of a payment whose id is not a 64-bit integer.</summary>
    public const string TextPrefix = "~";

    private const int LongestTextKey = 128;

    /// <summary>The order that is paid: the key of the join.</summary>
    public required long OrderId { get; init; }

    /// <summary>The payment's own id. Two messages with the same one speak of the same payment.</summary>
    public long? PaymentId { get; init; }

    /// <summary>How it was paid.</summary>
    public string? PaymentMethod { get; init; }

    /// <summary>The last four digits of the card, as text.</summary>
    public string? CardLastFour { get; init; }

    /// <summary>Completed, or whatever else a publisher sends.</summary>
    public string? PaymentStatus { get; init; }

    /// <summary>A time as text, kept as sent: real producers send hours above 23.</summary>
    public string? PaymentDatetime { get; init; }

    /// <summary>
    /// The payment id as it was sent, when it is not a 64-bit integer (such as "pi_A" or 1.5); null when
    /// <see cref="PaymentId"/> holds it and when the publisher sent none. The bigint column of the table stays null.
    /// </summary>
    public string? PaymentIdText { get; init; }

    /// <summary>
    /// What identifies this payment among those of its order: the payment id in decimal, or "~" and the text that was
    /// sent. Null when the publisher sent no id; the message then identifies it, see <see cref="PaymentReceived.Key"/>.
    /// </summary>
    public string? Key =>
        PaymentId is { } id ? id.ToString(CultureInfo.InvariantCulture)
        : PaymentIdText is { } text ? TextPrefix + Shorten(text)
        : null;

    /// <summary>The payment id as text, whatever was sent; null when the publisher sent none.</summary>
    public string? IdAsText => PaymentId?.ToString(CultureInfo.InvariantCulture) ?? PaymentIdText;

    // A key is part of a primary key and of a dead-letter id, so a long text is replaced by its hash.
    private static string Shorten(string text) =>
        text.Length <= LongestTextKey && Encoding.UTF8.GetByteCount(text) <= LongestTextKey && !text.AsSpan().ContainsAnyInRange('\0', '\u001f')
            ? text
            : "sha256:" + Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text)));
}
