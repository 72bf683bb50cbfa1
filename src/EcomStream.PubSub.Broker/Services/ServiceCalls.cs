using Grpc.Core;

namespace EcomStream.PubSub.Broker.Services;

/// <summary>What the methods of the Subscriber service have in common: limits, and errors as statuses.</summary>
internal static class ServiceCalls
{
    // https://cloud.google.com/pubsub/docs/lease-management
    public const int MinAckDeadlineSeconds = 10;
    public const int MaxAckDeadlineSeconds = 600;

    private const int ResponseBytes = 1 << 20;

    public static void Take(BrokerSubscription subscription, PullConsumer consumer, int seconds, int messages, RawPullResponse response)
    {
        try
        {
            if (!subscription.Take(consumer, seconds, messages, ResponseBytes, response))
            {
                throw new RpcException(new Status(StatusCode.NotFound, $"The subscription {subscription.Name} was deleted."));
            }
        }
        catch (InvalidDataException damaged)
        {
            throw new RpcException(new Status(StatusCode.DataLoss, damaged.Message));
        }
    }

    public static void Write(Action write)
    {
        try
        {
            write();
        }
        catch (IOException full)
        {
            throw CannotWrite(full);
        }
    }

    public static RpcException CannotWrite(IOException error) =>
        new(new Status(StatusCode.ResourceExhausted, $"The broker cannot write: {error.Message}"));

    /// <param name="what">Methods or fields, as the definitions name them.</param>
    public static RpcException Unimplemented(string what) =>
        new(new Status(StatusCode.Unimplemented, $"The embedded broker does not support {what} yet."));

    /// <summary>Refuses fields that were set and that the broker would not keep to.</summary>
    public static void RefuseFields(params ReadOnlySpan<(string Field, bool IsSet)> fields)
    {
        var missing = new List<string>();
        foreach (var (field, isSet) in fields)
        {
            if (isSet)
            {
                missing.Add(field);
            }
        }

        if (missing.Count > 0)
        {
            throw Unimplemented(string.Join(", ", missing));
        }
    }

    public static void CheckAckDeadline(string field, int seconds, int least = MinAckDeadlineSeconds)
    {
        if (seconds < least || seconds > MaxAckDeadlineSeconds)
        {
            throw Invalid($"{field} is {seconds}; it must be {least} to {MaxAckDeadlineSeconds}.");
        }
    }

    public static RpcException Invalid(string message) => new(new Status(StatusCode.InvalidArgument, message));
}
