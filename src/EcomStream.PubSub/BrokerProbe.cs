using System.Globalization;
using EcomStream.Broker.V1;
using EcomStream.Core;
using Google.Cloud.PubSub.V1;
using Grpc.Core;

namespace EcomStream.PubSub;

/// <summary>
/// A round trip to the broker on the channel of a subscription's streams. The embedded broker reports its exact backlog;
/// other servers are sent a GetSubscription, which changes nothing and also tells the ack deadline. Every answer counts,
/// also a refusal: the server was reached.
/// </summary>
/// <param name="calls">The calls of the subscription.</param>
internal sealed class BrokerProbe(SubscriptionCalls calls)
{
    // The longest ack deadline of the service (google.pubsub.v1.ModifyAckDeadlineRequest.ack_deadline_seconds).
    private static readonly TimeSpan LongestAckDeadline = TimeSpan.FromSeconds(600);

    private readonly Inspection.InspectionClient _inspection = new(calls.Channel);
    private TimeSpan? _longestLease;
    private bool _cannotInspect;

    /// <summary>Makes the round trip.</summary>
    /// <exception cref="RpcException">The server was not reached.</exception>
    public async ValueTask<SubscriptionProbe> RunAsync(CancellationToken cancellationToken)
    {
        if (!_cannotInspect)
        {
            try
            {
                var status = await _inspection.GetSubscriptionStatusAsync(
                    new GetSubscriptionStatusRequest { Subscription = calls.Path }, Options(cancellationToken));
                return new SubscriptionProbe(
                    status.NowMicros,
                    _longestLease,
                    new SubscriptionBacklog(status.UnackedMessages, status.OldestUnackedPublishTimeMicros, status.LeasedMessages));
            }
            catch (RpcException error) when (IsRefusal(error.StatusCode))
            {
                _cannotInspect = error.StatusCode != StatusCode.NotFound;
            }
        }

        return await GetSubscriptionAsync(cancellationToken);
    }

    private async Task<SubscriptionProbe> GetSubscriptionAsync(CancellationToken cancellationToken)
    {
        using var call = calls.Client.GetSubscriptionAsync(
            new GetSubscriptionRequest { Subscription = calls.Path }, Options(cancellationToken));
        try
        {
            var subscription = await call.ResponseAsync;
            var ackDeadline = TimeSpan.FromSeconds(subscription.AckDeadlineSeconds);

            // Readers of this program extend their leases up to max-ack-deadline, other readers have the subscription's.
            _longestLease = Max(calls.Settings.Subscriber.MaxAckDeadline, ackDeadline);
        }
        catch (RpcException refused) when (IsRefusal(refused.StatusCode))
        {
            _longestLease ??= Max(calls.Settings.Subscriber.MaxAckDeadline, LongestAckDeadline);
        }

        return new SubscriptionProbe(await BrokerTimeAsync(call), _longestLease, Backlog: null);
    }

    private CallOptions Options(CancellationToken cancellationToken) => new(
        deadline: calls.Time.GetUtcNow().UtcDateTime + calls.Settings.Connection.RequestTimeout, cancellationToken: cancellationToken);

    private static bool IsRefusal(StatusCode status) => status
        is StatusCode.PermissionDenied or StatusCode.Unauthenticated or StatusCode.NotFound or StatusCode.Unimplemented
        or StatusCode.ResourceExhausted or StatusCode.FailedPrecondition or StatusCode.InvalidArgument;

    // Google's servers send the HTTP header "date", in whole seconds and therefore never ahead.
    private static async Task<long?> BrokerTimeAsync<T>(AsyncUnaryCall<T> call)
    {
        try
        {
            var headers = await call.ResponseHeadersAsync;
            return headers.GetValue("date") is { } text
                && DateTimeOffset.TryParseExact(text, "r", CultureInfo.InvariantCulture, DateTimeStyles.AssumeUniversal, out var date)
                    ? Timestamps.Micros(date)
                    : null;
        }
        catch (RpcException)
        {
            return null;
        }
    }

    private static TimeSpan Max(TimeSpan left, TimeSpan right) => left > right ? left : right;
}
