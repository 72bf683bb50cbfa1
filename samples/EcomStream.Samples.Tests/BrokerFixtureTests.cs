using EcomStream.PubSub.Broker;
using EcomStream.Testing.Xunit;

namespace EcomStream.Samples.Tests;

/// <summary>Tests that share a broker in memory, which xunit starts and stops.</summary>
public sealed class BrokerFixtureTests(BrokerFixture fixture) : IClassFixture<BrokerFixture>
{
    [Fact]
    public async Task A_message_that_is_not_acked_within_its_deadline_comes_again()
    {
        using var http = new HttpClient { BaseAddress = new Uri($"http://{fixture.Endpoint}/v1/projects/{BrokerFixture.NewProject()}/") };
        await http.PutAsync("topics/orders", null);
        await http.PutAsync("subscriptions/orders-sub", new StringContent($$"""{"topic": "{{http.BaseAddress.AbsolutePath[4..]}}topics/orders"}"""));
        fixture.Broker.Publish($"{http.BaseAddress.AbsolutePath[4..]}topics/orders", new BrokerMessage { Data = "{}"u8.ToArray() });

        (await PullAsync()).ShouldContain("ackId");
        (await PullAsync()).ShouldNotContain("ackId");
        fixture.Broker.AdvanceTime(TimeSpan.FromSeconds(11));
        (await PullAsync()).ShouldContain("ackId");

        async Task<string> PullAsync()
        {
            using var response = await http.PostAsync("subscriptions/orders-sub:pull", new StringContent("""{"maxMessages": 1, "returnImmediately": true}"""));
            return await response.Content.ReadAsStringAsync();
        }
    }
}
