namespace EcomStream.Chaos.Load;

/// <summary>A message that the shop publishes.</summary>
/// <param name="IsOrder">Whether it goes to the orders topic.</param>
/// <param name="Number">Identifies it among all messages of a run; an attribute of the message.</param>
/// <param name="Data">Its data, JSON or malformed.</param>
internal sealed record ShopMessage(bool IsOrder, long Number, string Data)
{
    /// <summary>The attribute that has the number.</summary>
    public const string NumberAttribute = "chaos_number";

    /// <summary>The topic's short name.</summary>
    public string Topic => IsOrder ? Names.OrdersTopic : Names.PaymentsTopic;
}
