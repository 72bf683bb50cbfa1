using Grpc.Core;

namespace EcomStream.PubSub;

/// <summary>Which statuses are worth another try, and when.</summary>
internal static class Retry
{
    /// <summary>
    /// Statuses after which the same request may succeed. CANCELLED is one when it was the server that cancelled;
    /// UNKNOWN is what a broken connection often ends as.
    /// </summary>
    public static bool IsRetryable(StatusCode status) => status is
        StatusCode.Unavailable or StatusCode.DeadlineExceeded or StatusCode.Internal or StatusCode.Cancelled
        or StatusCode.ResourceExhausted or StatusCode.Aborted or StatusCode.Unknown;

    /// <summary>Exponential backoff with a fifth of jitter, so that many clients do not return at the same instant.</summary>
    /// <param name="settings">The bounds.</param>
    /// <param name="failures">Failures in a row; 1 after the first.</param>
    public static TimeSpan Backoff(PubSubSettings settings, int failures)
    {
        var factor = Math.Pow(2, Math.Clamp(failures - 1, 0, 30));
        var ticks = Math.Min(settings.MinBackoff.Ticks * factor, settings.MaxBackoff.Ticks);
        return TimeSpan.FromTicks((long)(ticks * (0.8 + (Random.Shared.NextDouble() * 0.4))));
    }

    /// <summary>Runs a request until it succeeds, fails for good, or is cancelled.</summary>
    public static async Task<T> UntilDone<T>(
        PubSubConnection connection, Func<CancellationToken, Task<T>> request, Action<RpcException, int, TimeSpan> failed, CancellationToken cancellationToken)
    {
        for (var failures = 1; ; failures++)
        {
            try
            {
                return await request(cancellationToken);
            }
            catch (RpcException error) when (IsRetryable(error.StatusCode) && !cancellationToken.IsCancellationRequested)
            {
                var delay = Backoff(connection.Settings, failures);
                failed(error, failures, delay);
                await Task.Delay(delay, connection.Time, cancellationToken);
            }
            catch (RpcException) when (cancellationToken.IsCancellationRequested)
            {
                throw new OperationCanceledException(cancellationToken);
            }
        }
    }
}
