using System.Globalization;

namespace EcomStream.Core;

/// <summary>What makes a message malformed.</summary>
public enum DecodeErrorKind
{
    /// <summary>No error.</summary>
    None = 0,

    /// <summary>The data is not a JSON text (RFC 8259), or more data follows it.</summary>
    InvalidJson,

    /// <summary>The data is JSON, but not an object.</summary>
    NotAnObject,

    /// <summary>The object has no <c>order_id</c>.</summary>
    MissingOrderId,

    /// <summary>There is an <c>order_id</c>, but it is not exactly a 64-bit integer.</summary>
    UnusableOrderId,

    /// <summary>An optional field has a value that cannot be used, and the settings make that an error.</summary>
    UnusableField,

    /// <summary>The decoder failed unexpectedly.</summary>
    Unexpected,
}

/// <summary>Why a message could not be decoded, and where.</summary>
/// <param name="Kind">What is wrong.</param>
/// <param name="BytePosition">Offset into the message's data, bytes.</param>
public readonly record struct DecodeError(DecodeErrorKind Kind, long BytePosition)
{
    /// <summary>The fields or the failure that <see cref="Kind"/> speaks of; empty for the other kinds.</summary>
    public string Subject { get; init; } = "";

    /// <summary>For the attribute <c>detail</c> of the dead letter.</summary>
    public override string ToString() => Kind switch
    {
        DecodeErrorKind.InvalidJson => At("the data is not JSON"),
        DecodeErrorKind.NotAnObject => At("the data is JSON but not an object"),
        DecodeErrorKind.MissingOrderId => At("the object lacks order_id"),
        DecodeErrorKind.UnusableOrderId => At("order_id is not a 64-bit integer"),
        DecodeErrorKind.UnusableField => $"{Kind}: {Subject} cannot be used",
        DecodeErrorKind.Unexpected => $"{Kind}: {Subject}",
        _ => "",
    };

    private string At(string what) =>
        string.Create(CultureInfo.InvariantCulture, $"{Kind}: {what} (at byte {BytePosition})");
}
