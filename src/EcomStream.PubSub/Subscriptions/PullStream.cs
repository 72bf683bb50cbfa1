using System.Threading.Channels;
using EcomStream.Core;
using Google.Cloud.PubSub.V1;
using Grpc.Core;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub;

/// <summary>One StreamingPull stream, opened again with backoff whenever it ends.</summary>
internal sealed class PullStream(
    SubscriptionCalls calls, FlowControl flow, LeaseKeeper leases, Settler settler, StreamingPullRequest initialRequest, ChannelWriter<PubSubDelivery[]> output)
{
    // The official clients send an empty request so often, which keeps proxies and the service from ending a quiet stream.
    private static readonly TimeSpan HeartbeatPeriod = TimeSpan.FromSeconds(30);

    // With protocol_version 1 the server answers it; the official clients wait so long and restart the stream then.
    private static readonly TimeSpan AnswerTimeout = TimeSpan.FromSeconds(15);

    // A stream that is told to stop may still bring what the server had sent, which is given back at once instead of
    // when its lease ends. Servers that close the stream end this at once; the others after so long without a message.
    private static readonly TimeSpan DrainSilence = TimeSpan.FromSeconds(2);

    private const string Unanswered = "the server did not answer a keep-alive within 15 s";
    private const string Stalled = "nothing was settled for half of ack-deadline";

    private readonly ReceiptQueue _receipts = new(calls, leases, flow, output);
    private int _open;
    private long _openings;
    private bool _wasLost;
    private bool _serverAnswers = calls.Settings.EmulatorHost.Length == 0;
    private bool _isReading;
    private long _responses;
    private bool _isUnanswered;
    private long? _openedAt;
    private long _readableSince;

    /// <summary>How often the stream was opened.</summary>
    public long Openings => Volatile.Read(ref _openings);

    /// <summary>Whether the stream is open.</summary>
    public bool IsOpen => Volatile.Read(ref _open) != 0;

    /// <summary>
    /// Whether the server has ended the stream after this client had, so that nothing which it had sent was left unread.
    /// </summary>
    public bool EndedCleanly { get; private set; }

    /// <summary>Receives until <paramref name="stop"/> is cancelled.</summary>
    /// <exception cref="SubscriptionFailedException">Trying again will not help.</exception>
    public async Task RunAsync(CancellationToken stop)
    {
        try
        {
            await OpenAgainAndAgainAsync(stop);
        }
        finally
        {
            await _receipts.WhenEmptyAsync();
        }
    }

    private async Task OpenAgainAndAgainAsync(CancellationToken stop)
    {
        var failures = 0;
        while (!stop.IsCancellationRequested)
        {
            var received = false;
            _openedAt = null;
            EndedCleanly = false;
            string reason;
            try
            {
                await flow.WaitToOpenAsync(stop);
                reason = await ReceiveAsync(() => received = true, stop);
            }
            catch (Exception error)
            {
                if (stop.IsCancellationRequested)
                {
                    return;
                }

                if (error is RpcException refused && !PubSubErrors.IsRetryable(refused))
                {
                    throw PubSubErrors.Reading(calls.Path, calls.Settings, calls.Account, refused);
                }

                reason = error is RpcException lost ? $"{lost.StatusCode} ({lost.Status.Detail})" : error.Message;
            }

            if (stop.IsCancellationRequested)
            {
                return;
            }

            // One that was open for so long was well, even if there was nothing to bring.
            var wasWell = received || (_openedAt is { } since && calls.Time.GetElapsedTime(since) > calls.Settings.Retry.MaxBackoff);
            failures = wasWell ? 1 : failures + 1;
            var delay = calls.Settings.Retry.After(failures);
            Log(reason, failures, delay);
            _wasLost = true;
            await Task.Delay(delay, calls.Time, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
        }
    }

    // Servers end a stream every now and then, which is no news; an outage is, once and then ever more seldom.
    private void Log(string reason, int failures, TimeSpan delay)
    {
        if (failures <= 2 || Retry.IsWorthAWarning(failures))
        {
            calls.Logger.Log(
                failures == 1 ? LogLevel.Information : LogLevel.Warning,
                "A stream of subscription {Subscription} on {Endpoint} ended: {Reason}; it is opened again in {Delay}, try {Try}",
                calls.Path,
                calls.Settings.Endpoint,
                reason,
                delay,
                failures);
        }
    }

    private async Task<string> ReceiveAsync(Action received, CancellationToken stop)
    {
        using var patience = new CancellationTokenSource();
        using var reading = CancellationTokenSource.CreateLinkedTokenSource(patience.Token);
        using var closing = CancellationTokenSource.CreateLinkedTokenSource(stop);
        using var call = calls.StreamingPull(settler, reading.Token);
        var writing = Task.CompletedTask;
        var isStalled = false;
        RpcException? unwritten = null;
        _isUnanswered = false;
        var share = new StreamShare(initialRequest.MaxOutstandingMessages, initialRequest.MaxOutstandingBytes);
        try
        {
            // Completes when the request is on the wire. The answer's headers are no sign: servers may send them with
            // the first message only.
            try
            {
                await call.RequestStream.WriteAsync(initialRequest, stop);
                Opened();
                writing = WriteAsync(call.RequestStream, patience, reading, closing.Token);
            }
            catch (RpcException error) when (!stop.IsCancellationRequested)
            {
                // Usually the server has ended the call, and the responses end with its status, while the error of the write
                // may only say "cancelled". That error is reported if the server does not end the call within this time, or ends it without an error.
                unwritten = error.StatusCode == StatusCode.OK ? null : Unwritten(error);
                reading.CancelAfter(DrainSilence);
            }

            while (await NextAsync(call.ResponseStream))
            {
                received();
                Take(call.ResponseStream.Current, share, isStalled, stop);
                if (closing.IsCancellationRequested)
                {
                    reading.CancelAfter(DrainSilence);
                }

                _readableSince = calls.Time.GetTimestamp();
                if (!isStalled && !await flow.WaitToReadAsync(share, calls.Settings.Subscriber.AckDeadline / 2, calls.Time, stop))
                {
                    // What the server has sent on meanwhile lies unread and unleased, and would come late or twice.
                    isStalled = true;
                    Volatile.Write(ref _open, 0);
                    await closing.CancelAsync();
                }
            }

            if (unwritten is not null)
            {
                throw unwritten;
            }

            EndedCleanly = stop.IsCancellationRequested;
            return isStalled ? Stalled : "the server closed it";
        }
        catch (RpcException) when (isStalled)
        {
            return Stalled;
        }
        catch (RpcException) when (unwritten is not null && reading.IsCancellationRequested)
        {
            throw unwritten;
        }
        catch (RpcException) when (Volatile.Read(ref _isUnanswered))
        {
            return Unanswered;
        }
        finally
        {
            Volatile.Write(ref _open, 0);
            await closing.CancelAsync();
            await reading.CancelAsync();
            await writing;
        }
    }

    private static RpcException Unwritten(RpcException error) =>
        new(new Status(error.StatusCode, $"the first request could not be written{(error.Status.Detail.Length > 0 ? ": " : "")}{error.Status.Detail}", error));

    private void Opened()
    {
        Interlocked.Increment(ref _openings);
        Volatile.Write(ref _open, 1);
        _openedAt = _readableSince = calls.Time.GetTimestamp();
        PubSubMetrics.StreamsOpened.Add(1, calls.Tags);
        if (_wasLost)
        {
            calls.Logger.LogInformation("A stream of subscription {Subscription} on {Endpoint} is open again", calls.Path, calls.Settings.Endpoint);
            _wasLost = false;
        }
    }

    /// <summary>All that is written after the initial request: heartbeats, and the end.</summary>
    private async Task WriteAsync(
        IClientStreamWriter<StreamingPullRequest> requests, CancellationTokenSource patience, CancellationTokenSource reading, CancellationToken closing)
    {
        try
        {
            await HeartbeatAsync(requests, reading, closing).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
            patience.CancelAfter(calls.Settings.Subscriber.CloseTimeout);
            reading.CancelAfter(DrainSilence);
            await requests.CompleteAsync();
        }
        catch (Exception broken) when (broken is RpcException or OperationCanceledException or InvalidOperationException or ObjectDisposedException)
        {
            // The reading side says why the stream ended.
        }
    }

    private async Task HeartbeatAsync(IClientStreamWriter<StreamingPullRequest> requests, CancellationTokenSource reading, CancellationToken closing)
    {
        while (true)
        {
            await Task.Delay(HeartbeatPeriod - AnswerTimeout, calls.Time, closing);
            var responses = Volatile.Read(ref _responses);
            await requests.WriteAsync(new StreamingPullRequest(), CancellationToken.None);
            await Task.Delay(AnswerTimeout, calls.Time, closing);

            // Any response counts. Nothing is known while responses lie unread because of flow control, and of servers that
            // have never answered: Google's emulator does not.
            if (_serverAnswers && Volatile.Read(ref _isReading) && Volatile.Read(ref _responses) == responses)
            {
                Volatile.Write(ref _isUnanswered, true);
                PubSubMetrics.StreamsUnanswered.Add(1, calls.Tags);
                await reading.CancelAsync();
                return;
            }
        }
    }

    private async Task<bool> NextAsync(IAsyncStreamReader<PullResponse> responses)
    {
        Volatile.Write(ref _isReading, true);
        try
        {
            // What is there already may have come while the stream waited for room.
            var next = responses.MoveNext(CancellationToken.None);
            if (!next.IsCompleted)
            {
                await ((Task)next).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing);
                _readableSince = calls.Time.GetTimestamp();
            }

            Interlocked.Increment(ref _responses);
            return await next;
        }
        finally
        {
            Volatile.Write(ref _isReading, false);
        }
    }

    private void Take(PullResponse response, StreamShare share, bool giveBack, CancellationToken stop)
    {
        leases.IsExactlyOnce = response.IsExactlyOnce ?? leases.IsExactlyOnce;
        if (response.Deliveries.Length == 0)
        {
            _serverAnswers = true;
            return;
        }

        var batch = leases.Add(response.Deliveries, share, _readableSince);
        flow.Received(share, response.Deliveries.Length, response.Bytes);
        PubSubMetrics.Consumed.Add(response.Deliveries.Length, calls.Tags);
        if (response.Redelivered > 0)
        {
            PubSubMetrics.Redelivered.Add(response.Redelivered, calls.Tags);
        }

        if (MessageTracing.IsOn)
        {
            foreach (var delivery in response.Deliveries)
            {
                delivery.Span = MessageTracing.StartProcess(delivery);
            }
        }

        if (giveBack)
        {
            flow.GiveBack(response.Deliveries);
        }
        else if (leases.IsExactlyOnce)
        {
            _receipts.Enqueue(batch, response.Deliveries, stop);
        }
        else
        {
            output.TryWrite(response.Deliveries);
        }
    }
}
