using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Microsoft.Extensions.Logging;

namespace EcomStream.PubSub.Tests;

/// <summary>Tests with a <see cref="ScriptedPubSub"/>.</summary>
public abstract class ScriptedServerTests
{
    /// <summary>What the client has logged.</summary>
    private protected LogLines Log { get; } = new();

    /// <summary>Answers a StreamingPull with one response, and keeps the stream open until the client closes it.</summary>
    private protected static async Task StreamAsync(ScriptedCall call, StreamingPullResponse response, bool reads = true)
    {
        if (reads)
        {
            await call.ReadAsync<StreamingPullRequest>();
        }

        await call.WriteAsync(response);
        while (await call.ReadAsync<StreamingPullRequest>() is not null)
        {
            // Keep-alives.
        }

        await call.OkAsync();
    }

    private protected PubSubConnection Connect(ScriptedPubSub server, string hocon = "", TimeProvider? time = null) => PubSubConnection.Create(
        TestSettings.Of(server.Endpoint, hocon: hocon), LoggerFactory.Create(logging => logging.AddProvider(Log)), time);
}
