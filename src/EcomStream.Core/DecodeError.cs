using System.Globalization;

namespace EcomStream.Core;

/// <summary>What makes a message malformed.</summary>
public enum DecodeErrorKind
{
    /// <summary>No error.</summary>
    None = 0,

    /// <summary>The data is no JSON text (RFC 8259), or has something after it.</summary>
    InvalidJson,

    /// <summary>The data is JSON, but not an object.</summary>
    NotAnObject,

    /// <summary>The object has no <c>order_id</c>.</summary>
    MissingOrderId,

    /// <summary>There is an <c>order_id</c>, but no 64-bit integer can be read from it exactly.</summary>
    UnusableOrderId,
}

/// <summary>Why a message could not be decoded, and where.</summary>
/// <param name="Kind">What is wrong.</param>
/// <param name="BytePosition">Offset into the message's data, bytes.</param>
public readonly record struct DecodeError(DecodeErrorKind Kind, long BytePosition)
{
    /// <summary>For the attribute <c>detail</c> of the dead letter.</summary>
    public override string ToString() => Kind switch
    {
        DecodeErrorKind.InvalidJson => At("the data is no JSON"),
        DecodeErrorKind.NotAnObject => At("the data is JSON but no object"),
        DecodeErrorKind.MissingOrderId => At("the object has no order_id"),
        DecodeErrorKind.UnusableOrderId => At("order_id is no 64-bit integer"),
        _ => "",
    };

    private string At(string what) =>
        string.Create(CultureInfo.InvariantCulture, $"{Kind}: {what} (at byte {BytePosition})");
}
