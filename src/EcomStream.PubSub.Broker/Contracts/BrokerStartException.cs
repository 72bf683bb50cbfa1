namespace EcomStream.PubSub.Broker;

/// <summary>The broker cannot start; the message says why and what to do.</summary>
/// <param name="message">One line for whoever starts it.</param>
/// <param name="innerException">What was caught.</param>
public sealed class BrokerStartException(string message, Exception? innerException = null) : Exception(message, innerException)
{
    /// <summary>Whether another broker has the data folder open.</summary>
    public bool IsFolderInUse { get; init; }
}
