using System.Runtime.InteropServices;
using Akka.Configuration;
using EcomStream.Actors;
using EcomStream.Core;
using EcomStream.PubSub;
using EcomStream.PubSub.Broker;
using Grpc.Core;

namespace EcomStream.Host.Cli;

/// <summary>
/// The exit codes of all commands, as the table in docs/cli.md states them. An expected error is one line on standard
/// error, not a stack trace.
/// </summary>
internal static class Exit
{
    /// <summary>Done.</summary>
    public const int Ok = 0;

    /// <summary>Failed, and may succeed later: a store or broker is unavailable, or an error is unexpected.</summary>
    public const int Failed = 1;

    /// <summary>The user must change something first: arguments, configuration, permissions, a file.</summary>
    public const int Usage = 2;

    /// <summary>A check has found problems or differences.</summary>
    public const int Differences = 3;

    /// <summary>What the command line names does not exist.</summary>
    public const int NotFound = 4;

    /// <summary>Ended by Ctrl-C before it was done.</summary>
    public const int Interrupted = 130;

    /// <summary>The program that reads the output has ended, such as head: the code that a shell gives for SIGPIPE.</summary>
    public const int ReaderGone = 141;

    /// <summary>Ended by SIGTERM before it was done.</summary>
    public const int Terminated = 143;

    /// <summary>Runs a command and returns its exit code.</summary>
    /// <param name="context">The process.</param>
    /// <param name="command">The command; its token is cancelled by Ctrl-C and SIGTERM.</param>
    /// <param name="isService">Whether the command runs until it is stopped, so that a signal is its ordinary end.</param>
    public static async Task<int> CodeOf(CommandContext context, Func<CancellationToken, Task<int>> command, bool isService = false)
    {
        using var stop = CancellationTokenSource.CreateLinkedTokenSource(context.Stop);
        var interrupted = Terminated;
        using var onInterrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, signal => End(signal, Interrupted));
        using var onTerminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, signal => End(signal, Terminated));
        try
        {
            return await command(stop.Token);
        }
        catch (OperationCanceledException ended) when (stop.IsCancellationRequested)
        {
            if (ended is CommandInterruptedException)
            {
                await context.Error.WriteLineAsync($"ecomstream: interrupted: {ended.Message}");
            }

            return isService ? Ok : interrupted;
        }
        catch (IOException error) when (StandardOutput.IsReaderGone(error))
        {
            // A service that was told to end has done so; only its last words found nobody.
            return isService && stop.IsCancellationRequested ? Ok : ReaderGone;
        }
        catch (Exception error)
        {
            var (code, text) = Describe(error);
            await context.Error.WriteLineAsync("ecomstream: " + text);
            return code;
        }

        void End(PosixSignalContext signal, int code)
        {
            signal.Cancel = true;
            interrupted = code;
            stop.Cancel();
        }
    }

    private static (int Code, string Text) Describe(Exception error) => error switch
    {
        NotFoundException => (NotFound, error.Message),
        UsageException or ConfigurationException or BrokerStartException or SubscriptionFailedException or StoreRejectedException
            or PublishFailedException or PubSubAdminException or PubSubCredentialsException or SubscriptionTakenException => (Usage, error.Message),
        StoreUnavailableException or CommandFailedException or TimeoutException or NodeRemovedException => (Failed, error.Message),
        RpcException rpc => (
            rpc.StatusCode is StatusCode.NotFound or StatusCode.InvalidArgument or StatusCode.PermissionDenied ? Usage : Failed,
            $"Pub/Sub answers {rpc.StatusCode}: {rpc.Status.Detail}"),
        IOException or UnauthorizedAccessException => (Failed, error.Message),
        _ => (Failed, $"unexpected error: {error}"),
    };
}

/// <summary>The user must change something: one clear text, exit code 2.</summary>
/// <param name="message">What to change.</param>
internal sealed class UsageException(string message) : Exception(message);

/// <summary>What the command line names does not exist: exit code 4.</summary>
/// <param name="message">What does not exist, and where it was looked for.</param>
internal sealed class NotFoundException(string message) : Exception(message);

/// <summary>The command failed for a reason that may pass: exit code 1.</summary>
/// <param name="message">What failed, how far the command came, and what to do next.</param>
internal sealed class CommandFailedException(string message) : Exception(message);

/// <summary>The command was interrupted before it was done: exit code 130 or 143.</summary>
/// <param name="message">How far it came.</param>
internal sealed class CommandInterruptedException(string message) : OperationCanceledException(message);
