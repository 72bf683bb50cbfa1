namespace EcomStream.Core;

/// <summary>Another process joins the same subscription, and the two are not one cluster.</summary>
/// <param name="subscription">The subscription.</param>
/// <param name="owner">Who joins it, for people.</param>
public sealed class SubscriptionTakenException(string subscription, string owner)
    : Exception($"{subscription} is joined by {owner} already. Two processes that are not one cluster would each hold a part of the state of an order, and lose payments. Stop one of them, or run both with hocon/cluster.conf (docs/cluster.md). ecomstream.single-reader = off turns this check off.");
