namespace EcomStream.Core;

/// <summary>What became of an ack.</summary>
public enum AckResult
{
    /// <summary>
    /// The broker did not say: the subscription was closed before the answer, the message had been given back before, or
    /// the client does not report it.
    /// </summary>
    Unknown,

    /// <summary>
    /// The broker has accepted it. Without exactly-once delivery the message may be delivered again all the same.
    /// </summary>
    Accepted,

    /// <summary>The broker has refused it for good: the message will be delivered again.</summary>
    Refused,
}
