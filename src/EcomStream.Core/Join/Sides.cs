namespace EcomStream.Core;

/// <summary>What is known of the order columns of a row.</summary>
public enum OrderSide : byte
{
    /// <summary>The row has not been read.</summary>
    Unknown,

    /// <summary>The row has been read and has no order columns.</summary>
    Absent,

    /// <summary>An order message has been written, or is being written.</summary>
    Present,
}

/// <summary>What is known of the payment columns of a row.</summary>
public enum PaymentSide : byte
{
    /// <summary>The row has not been read: a payment is written guarded.</summary>
    Unknown,

    /// <summary>The row has not been read and is known to hold, or may hold, another payment: read it first.</summary>
    MustLoad,

    /// <summary>The row has been read and has no payment columns.</summary>
    Absent,

    /// <summary>A payment is being written guarded: it is in the row unless the row held another one.</summary>
    Guarded,

    /// <summary>The row holds, or will hold, this payment.</summary>
    Present,
}
