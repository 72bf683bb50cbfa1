using EcomStream.PubSub.Broker.Delivery;
using EcomStream.PubSub.Broker.Storage;

namespace EcomStream.PubSub.Broker.Tests;

/// <summary>The buffer of one large message or request is released. Not parallel, because the test measures the memory of the process.</summary>
[CollectionDefinition(nameof(BufferTests), DisableParallelization = true)]
[Collection(nameof(BufferTests))]
public sealed class BufferTests
{
    private const int Large = 64 << 20;

    [Fact]
    public void A_stream_does_not_keep_the_buffer_of_a_large_message()
    {
        var response = new RawPullResponse();
        ShouldGiveBack(
            response,
            () =>
            {
                response.Add(AckId.None, new byte[Large], attempt: 0);
                response.Bytes.Length.ShouldBeGreaterThan(Large);
            },
            response.Clear);
    }

    [Fact]
    public void A_subscription_does_not_keep_the_buffer_of_a_request_with_many_acks()
    {
        var frame = new AckFrame();
        ShouldGiveBack(
            frame,
            () =>
            {
                frame.Begin(Large / 16);
                frame.Seal();
            },
            () => frame.Begin(1));
    }

    private static void ShouldGiveBack(object holder, Action use, Action next)
    {
        var before = GC.GetTotalMemory(forceFullCollection: true);
        use();
        GC.GetTotalMemory(forceFullCollection: true).ShouldBeGreaterThan(before + (Large / 2), "it is in use");
        next();
        GC.GetTotalMemory(forceFullCollection: true).ShouldBeLessThan(before + (Large / 2));
        GC.KeepAlive(holder);
    }
}
