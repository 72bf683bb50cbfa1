using EcomStream.Chaos.Processes;
using EcomStream.Chaos.Runs;

namespace EcomStream.Chaos.Faults;

/// <summary>Carries out faults. When a fault is over, every process runs and every connection works.</summary>
internal sealed class FaultRunner(Deployment deployment, ChaosOptions options)
{
    private static readonly TimeSpan _startTime = TimeSpan.FromSeconds(90);
    private static readonly TimeSpan _drainTime = TimeSpan.FromSeconds(45);
    private static readonly TimeSpan _slowness = TimeSpan.FromMilliseconds(150);

    /// <summary>The faults of nodes; null for a single host.</summary>
    public ClusterFaults? Cluster { get; } = deployment.Cluster is { } nodes ? new ClusterFaults(nodes) : null;

    /// <summary>Carries out one fault.</summary>
    /// <exception cref="ChaosException">A process does not do what it must, such as ending cleanly on SIGTERM.</exception>
    public async Task RunAsync(Fault fault, CancellationToken cancellationToken)
    {
        await Task.Delay(fault.After, cancellationToken);
        ThrowIfEnded();
        switch (fault.Kind)
        {
            case FaultKind.KillHost:
                await deployment.Host.KillAsync();
                deployment.StartHost();
                break;
            case FaultKind.KillBroker:
                await deployment.Broker!.KillAsync();
                deployment.StartBroker();
                break;
            case FaultKind.KillBoth:
                await Task.WhenAll(deployment.Host.KillAsync(), deployment.Broker!.KillAsync());
                deployment.StartBroker();
                deployment.StartHost();
                break;
            case FaultKind.KillStore:
                await ControlStoreAsync("kill", cancellationToken);
                await Task.Delay(fault.Duration, cancellationToken);
                await ControlStoreAsync("start", cancellationToken);
                break;
            case FaultKind.TerminateHost:
                await TerminateAsync(deployment.Host, "The host", cancellationToken);
                deployment.StartHost();
                break;
            case FaultKind.TerminateBroker:
                await TerminateAsync(deployment.Broker!, "The broker", cancellationToken);
                deployment.StartBroker();
                break;
            case FaultKind.PauseHost:
                await PauseAsync(deployment.Host, fault.Duration, cancellationToken);
                break;
            case FaultKind.PauseBroker:
                await PauseAsync(deployment.Broker!, fault.Duration, cancellationToken);
                break;
            case FaultKind.CutConnections:
                deployment.Proxy.Cut();
                break;
            case FaultKind.StallConnections:
                deployment.Proxy.Stall();
                await Task.Delay(fault.Duration, cancellationToken);
                deployment.Proxy.Resume();
                break;
            case FaultKind.SlowConnections:
                deployment.Proxy.Delay = _slowness;
                await Task.Delay(fault.Duration, cancellationToken);
                deployment.Proxy.Delay = TimeSpan.Zero;
                break;
            case FaultKind.HalfOpenConnections:
                // A middlebox that has forgotten its connections resets them in the end.
                deployment.Proxy.Blackhole();
                await Task.Delay(fault.Duration, cancellationToken);
                deployment.Proxy.Cut();
                break;
            default:
                await Cluster!.RunAsync(fault, cancellationToken);
                break;
        }
    }

    /// <summary>Ends the host, or every node, by SIGTERM.</summary>
    public Task EndAsync() => Cluster?.EndAsync(CancellationToken.None) ?? TerminateAsync(deployment.Host, "The host", CancellationToken.None);

    /// <summary>Fails when a process has ended by itself.</summary>
    public void ThrowIfEnded()
    {
        deployment.Cluster?.ThrowIfEnded();
        foreach (var (process, name) in new[] { (deployment.Cluster is null ? deployment.Host : null, "The host"), (deployment.Broker, "The broker") })
        {
            if (process is { HasExited: true })
            {
                throw new ChaosException($"{name} has ended by itself with exit code {process.ExitCode}. Its last lines:{Environment.NewLine}{process.LastLines}");
            }
        }
    }

    // Only a process that works ends with 0: one that is starting may be ended by the signal itself.
    private static async Task TerminateAsync(ChildProcess process, string name, CancellationToken cancellationToken)
    {
        if (!await process.BecomesReadyAsync(_startTime, cancellationToken))
        {
            throw new ChaosException($"{name} did not start within {_startTime.TotalSeconds} s, or ended. Its last lines:{Environment.NewLine}{process.LastLines}");
        }

        process.Send(Signal.Terminate);
        if (!await process.EndsAsync(_drainTime))
        {
            throw new ChaosException($"{name} still runs {_drainTime.TotalSeconds} s after SIGTERM. Its last lines:{Environment.NewLine}{process.LastLines}");
        }

        if (process.ExitCode != 0)
        {
            throw new ChaosException($"{name} has ended with exit code {process.ExitCode} after SIGTERM. Its last lines:{Environment.NewLine}{process.LastLines}");
        }
    }

    private static async Task PauseAsync(ChildProcess process, TimeSpan duration, CancellationToken cancellationToken)
    {
        process.Send(Signal.Stop);
        try
        {
            await Task.Delay(duration, cancellationToken);
        }
        finally
        {
            process.Send(Signal.Continue);
        }
    }

    private async Task ControlStoreAsync(string command, CancellationToken cancellationToken)
    {
        var (exitCode, output) = await ChildProcess.RunAsync(options.CassandraControl!, [command, "1"], Path.Combine(options.Directory, "store.log"), cancellationToken);
        if (exitCode != 0)
        {
            throw new ChaosException($"{options.CassandraControl} {command} 1 has failed: {output}");
        }
    }
}
