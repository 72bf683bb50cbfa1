namespace EcomStream.Core;

/// <summary>The store did not do it now but may later: no connection, a lock, a full disk, a timeout.</summary>
/// <param name="message">What was being done, with which names, and what to do next.</param>
/// <param name="innerException">What the adapter caught.</param>
public sealed class StoreUnavailableException(string message, Exception? innerException = null)
    : Exception(message, innerException);

/// <summary>The store will never take this: the data or the schema is at fault.</summary>
/// <param name="message">What was being done, with which names, and what to do next.</param>
/// <param name="innerException">What the adapter caught.</param>
public sealed class StoreRejectedException(string message, Exception? innerException = null)
    : Exception(message, innerException);
