using Akka.Configuration;
using EcomStream.Core;
using EcomStream.Host.Cli;
using EcomStream.PubSub;
using EcomStream.PubSub.Broker;
using Grpc.Core;

namespace EcomStream.Host.Commands.Diagnosis;

/// <summary>Prints the outcome of each check in one line.</summary>
/// <param name="context">The process.</param>
/// <param name="timeout">How long one check may take.</param>
internal sealed class DoctorReport(CommandContext context, TimeSpan timeout)
{
    private const int NameWidth = 14;

    /// <summary>Whether a check has failed.</summary>
    public bool HasFailed { get; private set; }

    /// <summary>Runs a check, which returns what it found, or throws.</summary>
    public async Task CheckAsync(string name, Func<CancellationToken, Task<DoctorFinding>> check, CancellationToken stop)
    {
        using var limit = CancellationTokenSource.CreateLinkedTokenSource(stop);
        limit.CancelAfter(timeout);
        try
        {
            var finding = await check(limit.Token).WaitAsync(limit.Token);
            await (finding.IsProblem ? FailedAsync(name, finding.Text) : PassedAsync(name, finding.Text));
        }
        catch (OperationCanceledException) when (!stop.IsCancellationRequested)
        {
            await FailedAsync(name, $"no answer within {timeout.TotalSeconds:0.#} s: check that the server runs and that its address is right");
        }
        catch (Exception error) when (error is StoreUnavailableException or StoreRejectedException or BrokerStartException or PubSubAdminException
            or PubSubCredentialsException or RpcException or ConfigurationException or HttpRequestException)
        {
            await FailedAsync(name, error is RpcException rpc ? $"Pub/Sub answers {rpc.StatusCode}: {rpc.Status.Detail}" : error.Message);
        }
    }

    /// <summary>A check has passed.</summary>
    public Task PassedAsync(string name, string text) => WriteAsync("ok", name, text);

    /// <summary>A check has failed.</summary>
    public Task FailedAsync(string name, string text)
    {
        HasFailed = true;
        return WriteAsync("failed", name, text);
    }

    private Task WriteAsync(string outcome, string name, string text) =>
        context.Out.WriteLineAsync($"{outcome,-6}  {name.PadRight(NameWidth)}{Printable.Escape(text)}");
}

/// <summary>What a check found.</summary>
/// <param name="Text">What it is, and for a problem what to do.</param>
/// <param name="IsProblem">Whether it is a problem.</param>
internal readonly record struct DoctorFinding(string Text, bool IsProblem = false);
