using System.Collections.Concurrent;
using Akka.Actor;
using Akka.Streams;
using Akka.Streams.Dsl;
using EcomStream.Core;
using EcomStream.TestSupport;
using Google.Cloud.PubSub.V1;
using Google.Protobuf.WellKnownTypes;

namespace EcomStream.PubSub.Tests;

/// <summary>What becomes of the messages in a stream that ends otherwise than by completing.</summary>
public sealed class PubSubSourceTests : ScriptedServerTests
{
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public async Task What_a_stream_holds_that_fails_or_whose_materializer_is_shut_down_is_given_back_at_once(bool fails)
    {
        var nacked = new ConcurrentQueue<string>();
        await using var server = await ScriptedPubSub.StartAsync(async call =>
        {
            if (call.Method == "StreamingPull")
            {
                await StreamAsync(call, ScriptedCall.Messages(false, "a", "b"));
                return;
            }

            foreach (var id in (await call.ReadAsync<ModifyAckDeadlineRequest>())!.AckIds)
            {
                nacked.Enqueue(id);
            }

            await call.OkAsync(new Empty());
        });
        using var connection = Connect(server);
        using var system = ActorSystem.Create("source");
        using var materializer = system.Materializer();
        var received = new TaskCompletionSource();
        var done = PubSubSource.Committable(connection, "orders_data-sub")
            .RunForeach(
                _ =>
                {
                    received.SetResult();
                    if (fails)
                    {
                        throw new InvalidOperationException("The stream fails.");
                    }
                },
                materializer);
        await received.Task.WaitAsync(TimeSpan.FromSeconds(20));

        if (!fails)
        {
            materializer.Shutdown();
        }

        await Eventually.True(() => nacked.Count == 2, "both are given back");
        if (fails)
        {
            await Should.ThrowAsync<InvalidOperationException>(done.WaitAsync(TimeSpan.FromSeconds(10)));
        }
    }
}
