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
/// <param name="clientId">The client id of the subscription's streams; empty for none.</param>
/// <param name="reopened">How many streams were opened in place of a lost one so far.</param>
internal sealed class BrokerProbe(SubscriptionCalls calls, string clientId, Func<long> reopened)
{
    // The longest ack deadline of the service (google.pubsub.v1.ModifyAckDeadlineRequest.ack_deadline_seconds).
    private static readonly TimeSpan LongestAckDeadline = TimeSpan.FromSeconds(600);

    // Google's emulator goes on handing messages to connections that are gone, at every ack deadline their share of what is
    // left: half with one such connection. A message is missed when it goes to them in every round that is waited for;
    // that is to happen to one of so many.
    private const double MissedOneOf = 256;

    private readonly Inspection.InspectionClient _inspection = new(calls.Channel);
    private readonly LostConnections _lost = new(calls.Time, calls.Settings.Subscriber.Streams);
    private TimeSpan? _longestLease;
    private bool _cannotInspect;

    /// <summary>Whether the subscription is known to have no retry policy, so that what is nacked is delivered again at once.</summary>
    public bool ReturnsAtOnce { get; private set; }

    /// <summary>Makes the round trip.</summary>
    /// <exception cref="RpcException">The server was not reached.</exception>
    public async ValueTask<SubscriptionProbe> RunAsync(CancellationToken cancellationToken)
    {
        if (!_cannotInspect)
        {
            try
            {
                var status = await _inspection.GetSubscriptionStatusAsync(
                    new GetSubscriptionStatusRequest { Subscription = calls.Path, ClientId = clientId }, Options(cancellationToken));
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
        var lost = _lost.Sample(reopened());
        try
        {
            var subscription = await call.ResponseAsync;
            var ackDeadline = TimeSpan.FromSeconds(subscription.AckDeadlineSeconds);

            _longestLease = LongestLease(calls.Settings, ackDeadline, lost);
            ReturnsAtOnce = subscription.RetryPolicy is null;
        }
        catch (RpcException refused) when (IsRefusal(refused.StatusCode))
        {
            _longestLease ??= LongestLease(calls.Settings, LongestAckDeadline, lost);
        }

        return new SubscriptionProbe(await BrokerTimeAsync(call), _longestLease, Backlog: null);
    }

    /// <summary>How long messages may stay leased to readers that are gone, on a server that does not report it.</summary>
    /// <param name="settings">The settings, which other processes of this program share.</param>
    /// <param name="ackDeadline">The subscription's ack deadline, which readers other than this program have.</param>
    /// <param name="lost">Connections that this subscription has lost lately.</param>
    internal static TimeSpan LongestLease(PubSubSettings settings, TimeSpan ackDeadline, int lost)
    {
        var subscriber = settings.Subscriber;
        var lease = Max(subscriber.MaxAckDeadline, ackDeadline);
        if (settings.EmulatorHost.Length == 0)
        {
            return lease;
        }

        // The process before this one may have been killed.
        var gone = lost + 1;
        var rounds = Math.Floor(Math.Log(MissedOneOf) / Math.Log((gone + 1.0) / gone));
        return Max(lease, rounds * Max(subscriber.AckDeadline, ackDeadline));
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
