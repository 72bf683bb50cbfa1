using Google.Cloud.PubSub.V1;
using static EcomStream.PubSub.Broker.Tests.Conformance.PubSubUnderTest;

namespace EcomStream.PubSub.Broker.Tests.Conformance;

/// <summary>Leases of messages that a StreamingPull stream brings. Apart from the other tests of streams, because leases take their time on the emulator.</summary>
public sealed class StreamingPullLeaseConformanceTests : ConformanceTest
{
    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task Messages_come_by_themselves_and_are_acked_on_the_stream(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        using var stream = await pubsub.StreamAsync(r => r.StreamAckDeadlineSeconds = 10);
        await pubsub.PublishAsync(Enumerable.Range(0, 100).Select(n => $"{n}"));
        var seen = await ReadAsync(stream, 100);
        seen.Select(Text).Order().ShouldBe(Enumerable.Range(0, 100).Select(n => $"{n}").Order());
        var acks = new StreamingPullRequest();
        acks.AckIds.AddRange(seen.Select(m => m.AckId));
        await stream.RequestStream.WriteAsync(acks);
        var more = stream.ResponseStream.MoveNext(CancellationToken.None);
        await pubsub.NothingComesAsync(TimeSpan.FromSeconds(13));
        more.IsCompleted.ShouldBeFalse("nothing comes on the stream either");
    });

    [SkippableTheory]
    [OnBoth(References.Rpc)]
    public Task The_deadline_of_the_stream_is_that_of_its_messages(ServerKind kind) => On(kind, async pubsub =>
    {
        await pubsub.MakeAsync();
        await pubsub.PublishAsync("a");
        var requested = pubsub.Time.GetTimestamp();
        using (var stream = await pubsub.StreamAsync(r => r.StreamAckDeadlineSeconds = 20))
        {
            await ReadAsync(stream, 1);
            await stream.RequestStream.CompleteAsync();
            await StatusOf(stream);
        }

        Text(await pubsub.RedeliveredAsync(requested, TimeSpan.FromSeconds(20))).ShouldBe("a");
    });
}
