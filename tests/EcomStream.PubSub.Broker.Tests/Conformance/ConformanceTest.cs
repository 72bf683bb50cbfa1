using System.Reflection;
using System.Runtime.CompilerServices;
using Grpc.Core;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>
/// Runs documented behaviours. Where the emulator is known to do otherwise, the behaviour has to fail on it: so the list
/// of differences in docs/broker.md stays true.
/// </summary>
public abstract class ConformanceTest
{
    private protected async Task On(ServerKind kind, Func<PubSubUnderTest, Task> behaviour, [CallerMemberName] string test = "")
    {
        await using var pubsub = await PubSubUnderTest.StartAsync(kind);
        var difference = GetType().GetMethod(test)!.GetCustomAttribute<OnBothAttribute>()!.Emulator;
        if (kind == ServerKind.Broker || difference is null)
        {
            await behaviour(pubsub);
            return;
        }

        // Whatever the emulator leaves out is waited for in vain.
        pubsub.Patience = TimeSpan.FromSeconds(8);
        var failed = false;
        try
        {
            await behaviour(pubsub);
        }
        catch (Exception error) when (error is ShouldAssertException or RpcException { StatusCode: not StatusCode.Unavailable })
        {
            failed = true;
        }

        failed.ShouldBeTrue($"The emulator is said to differ here ({difference}), and does not any more: take the difference out of the attribute.");
    }
}
