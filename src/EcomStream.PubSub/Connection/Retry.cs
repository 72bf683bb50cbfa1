using Grpc.Core;

namespace EcomStream.PubSub;

/// <summary>Repeats requests that may succeed later.</summary>
internal static class Retry
{
    /// <summary>Runs a request until it succeeds, fails for good, or is cancelled.</summary>
    /// <param name="retry">The backoff.</param>
    /// <param name="time">The clock.</param>
    /// <param name="request">One try.</param>
    /// <param name="failed">Told of each failure that is followed by another try: the error, how many there were in a row, the delay.</param>
    /// <param name="cancellationToken">Ends the retries.</param>
    /// <exception cref="RpcException">The request fails for good.</exception>
    /// <exception cref="OperationCanceledException"><paramref name="cancellationToken"/> was cancelled; the last failure is its inner exception.</exception>
    public static async Task<T> UntilDoneAsync<T>(
        RetrySettings retry, TimeProvider time, Func<CancellationToken, Task<T>> request, Action<RpcException, int, TimeSpan> failed, CancellationToken cancellationToken)
    {
        RpcException? last = null;
        for (var failures = 1; ; failures++)
        {
            try
            {
                return await request(cancellationToken);
            }
            catch (RpcException error) when (cancellationToken.IsCancellationRequested)
            {
                throw new OperationCanceledException("The request was cancelled.", last ?? error, cancellationToken);
            }
            catch (RpcException error) when (PubSubErrors.IsRetryable(error))
            {
                last = error;
            }

            var delay = retry.After(failures);
            failed(last, failures, delay);
            try
            {
                await Task.Delay(delay, time, cancellationToken);
            }
            catch (OperationCanceledException)
            {
                throw new OperationCanceledException("The request was cancelled.", last, cancellationToken);
            }
        }
    }

    /// <summary>Whether a failure is worth a warning: the first, and then ever fewer, so that an outage does not flood the log.</summary>
    public static bool IsWorthAWarning(int failures) => failures == 1 || failures % 10 == 0;
}
