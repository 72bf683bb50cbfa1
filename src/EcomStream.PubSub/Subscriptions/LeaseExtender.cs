using System.Collections.Concurrent;
using Grpc.Core;

namespace EcomStream.PubSub;

/// <summary>Sends the requests that extend leases, and sorts what the server answers by message.</summary>
internal sealed class LeaseExtender
{
    private const int RequestsAtOnce = 4;

    private readonly SubscriptionCalls _calls;
    private readonly TimeSpan _timeout;

    public LeaseExtender(SubscriptionCalls calls)
    {
        _calls = calls;

        // A request that hangs leaves time for another before the shortest lease ends.
        var third = calls.Settings.Subscriber.AckDeadline / 3;
        _timeout = third < calls.Settings.Connection.RequestTimeout ? third : calls.Settings.Connection.RequestTimeout;
    }

    /// <summary>Extends leases, from now.</summary>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    public async Task<Extension> ExtendAsync(PubSubDelivery[] deliveries, TimeSpan lease, CancellationToken cancellationToken)
    {
        var parts = new ConcurrentBag<Extension>();
        await Parallel.ForEachAsync(
            AckIdRequests.Split(deliveries, int.MaxValue),
            new ParallelOptions { MaxDegreeOfParallelism = RequestsAtOnce, CancellationToken = cancellationToken },
            async (request, token) => parts.Add(await ExtendAsync(request, lease, token)));
        return parts.Count == 1
            ? parts.Single()
            : new Extension(
                [.. parts.SelectMany(part => part.Lost)],
                [.. parts.SelectMany(part => part.Failed)],
                parts.Select(part => part.Error).FirstOrDefault(error => error is not null));
    }

    private async Task<Extension> ExtendAsync(ArraySegment<PubSubDelivery> request, TimeSpan lease, CancellationToken cancellationToken)
    {
        try
        {
            await _calls.ModifyAckDeadlineAsync(request, lease, _timeout, cancellationToken);
            return new Extension([], [], null);
        }
        catch (RpcException) when (cancellationToken.IsCancellationRequested)
        {
            throw new OperationCanceledException(cancellationToken);
        }
        catch (RpcException error) when (AckFailures.Of(error, request) is { } failures)
        {
            return new Extension(failures.Permanent, failures.Temporary, null);
        }
        catch (RpcException error)
        {
            return new Extension([], [.. request], error);
        }
    }
}

/// <summary>What became of an extension; the messages that it does not name were extended.</summary>
/// <param name="Lost">The server has given these to someone else, or will.</param>
/// <param name="Failed">These may be extended later.</param>
/// <param name="Error">The error of a request that failed as a whole; null without one.</param>
internal sealed record Extension(PubSubDelivery[] Lost, PubSubDelivery[] Failed, RpcException? Error);
