using EcomStream.Chaos.Processes;
using EcomStream.Chaos.Runs;

namespace EcomStream.Chaos.Faults;

/// <summary>
/// Carries out the faults of nodes of a cluster. When a fault is over, every node runs, the network is whole, and every shard
/// runs on one of the nodes.
/// </summary>
internal sealed class ClusterFaults(ClusterNodes nodes)
{
    // A node that has answered nobody for so long has been removed; one that was silent for less may have been.
    private static readonly TimeSpan _isRemoved = TimeSpan.FromSeconds(25);
    private static readonly TimeSpan _isKept = TimeSpan.FromSeconds(4);
    private static readonly TimeSpan _noticeTime = TimeSpan.FromSeconds(15);
    private static readonly TimeSpan _endTime = TimeSpan.FromSeconds(60);

    private const int RemovedExitCode = 1;

    /// <summary>From each kill of a node until all of its shards ran on others, in order.</summary>
    public List<TimeSpan> TakeOvers { get; } = [];

    /// <summary>Carries out one fault.</summary>
    /// <exception cref="ChaosException">A node does not do what it must, such as ending cleanly on SIGTERM.</exception>
    public async Task RunAsync(Fault fault, CancellationToken cancellationToken)
    {
        var running = nodes.Running;
        var node = running[(int)(fault.Choice * running.Count)];
        switch (fault.Kind)
        {
            case FaultKind.KillNode:
                await KillAsync(node, cancellationToken);
                break;
            case FaultKind.KillCoordinator:
                await KillAsync(running[0], cancellationToken);
                break;
            case FaultKind.PauseNode:
                node.Process!.Send(Signal.Stop);
                await Task.Delay(fault.Duration, CancellationToken.None);
                node.Process.Send(Signal.Continue);
                await RemovedOrKeptAsync(node, fault.Duration, cancellationToken);
                break;
            case FaultKind.DivideNetwork:
                nodes.Isolate(node);
                await Task.Delay(fault.Duration, CancellationToken.None);
                nodes.Rejoin();
                await RemovedOrKeptAsync(node, fault.Duration, cancellationToken);
                break;
            case FaultKind.RestartNodes:
                foreach (var next in running)
                {
                    await TerminateAsync(next, cancellationToken);
                    await StartAsync(next, cancellationToken);
                    await nodes.AllShardsRunAsync(cancellationToken);
                }

                break;
            case FaultKind.ScaleNodes:
                await ScaleAsync(running, cancellationToken);
                break;
            default:
                throw new ArgumentOutOfRangeException(nameof(fault), fault.Kind, "Not a fault of a node.");
        }

        await nodes.AllShardsRunAsync(cancellationToken);
    }

    /// <summary>Ends every node by SIGTERM.</summary>
    public async Task EndAsync(CancellationToken cancellationToken)
    {
        foreach (var node in nodes.Running)
        {
            await TerminateAsync(node, cancellationToken);
        }
    }

    private async Task KillAsync(ClusterNode node, CancellationToken cancellationToken)
    {
        node.IsStopped = true;
        await node.Process!.KillAsync();
        TakeOvers.Add(await nodes.AllShardsRunAsync(cancellationToken));
        await StartAsync(node, cancellationToken);
    }

    // To one, to all, to all but one, and to all.
    private async Task ScaleAsync(IReadOnlyList<ClusterNode> running, CancellationToken cancellationToken)
    {
        foreach (var node in running.Skip(1))
        {
            await TerminateAsync(node, cancellationToken);
        }

        await nodes.AllShardsRunAsync(cancellationToken);
        foreach (var node in running.Skip(1))
        {
            await StartAsync(node, cancellationToken);
        }

        await nodes.AllShardsRunAsync(cancellationToken);
        await TerminateAsync(running[0], cancellationToken);
        await nodes.AllShardsRunAsync(cancellationToken);
        await StartAsync(running[0], cancellationToken);
    }

    private async Task RemovedOrKeptAsync(ClusterNode node, TimeSpan silence, CancellationToken cancellationToken)
    {
        // A node that was removed may have ended already, or finds out when it hears from the others.
        if (silence > _isKept)
        {
            var ended = await node.Process!.EndsAsync(silence >= _isRemoved ? _endTime : _noticeTime);
            if (!ended && silence >= _isRemoved)
            {
                throw new ChaosException($"Node {node.Index} was silent for {silence.TotalSeconds:0} s and still runs {_endTime.TotalSeconds} s later.");
            }

            if (ended)
            {
                CheckExitCode(node, RemovedExitCode, "was removed from the cluster");
                await StartAsync(node, cancellationToken);
            }
        }
    }

    private async Task StartAsync(ClusterNode node, CancellationToken cancellationToken)
    {
        await nodes.StartAsync(node, cancellationToken);
        node.IsStopped = false;
    }

    private static async Task TerminateAsync(ClusterNode node, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        node.IsStopped = true;
        node.Process!.Send(Signal.Terminate);
        if (!await node.Process.EndsAsync(_endTime))
        {
            throw new ChaosException($"Node {node.Index} still runs {_endTime.TotalSeconds} s after SIGTERM. Its last lines:{Environment.NewLine}{node.Process.LastLines}");
        }

        CheckExitCode(node, 0, "got SIGTERM");
    }

    private static void CheckExitCode(ClusterNode node, int expected, string because)
    {
        if (node.Process!.ExitCode != expected)
        {
            throw new ChaosException(
                $"Node {node.Index} {because}, and has ended with exit code {node.Process.ExitCode} instead of {expected}. Its last lines:{Environment.NewLine}{node.Process.LastLines}");
        }
    }
}
