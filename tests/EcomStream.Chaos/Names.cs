namespace EcomStream.Chaos;

/// <summary>The names of topics and subscriptions: EcomStream's defaults, and subscriptions that only the checker reads.</summary>
internal static class Names
{
    public const string Project = "ecomstream";
    public const string OrdersTopic = "orders_data";
    public const string PaymentsTopic = "payments_data";
    public const string OrdersDeadLetterTopic = "dlq_orders_data";
    public const string PaymentsDeadLetterTopic = "dlq_payments_data";
    public const string PublishedOrders = "orders_data-published";
    public const string PublishedPayments = "payments_data-published";
    public const string OrdersDeadLetters = "dlq_orders_data-sub";
    public const string PaymentsDeadLetters = "dlq_payments_data-sub";

    /// <summary>The topics with the subscriptions of each.</summary>
    public static IReadOnlyList<(string Topic, string[] Subscriptions)> All { get; } =
    [
        (OrdersTopic, ["orders_data-sub", PublishedOrders]),
        (PaymentsTopic, ["payments_data-sub", PublishedPayments]),
        (OrdersDeadLetterTopic, [OrdersDeadLetters]),
        (PaymentsDeadLetterTopic, [PaymentsDeadLetters]),
    ];

    public static string TopicPath(string topic) => $"projects/{Project}/topics/{topic}";

    public static string SubscriptionPath(string subscription) => $"projects/{Project}/subscriptions/{subscription}";
}
