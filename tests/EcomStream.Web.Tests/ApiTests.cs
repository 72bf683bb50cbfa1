using System.Net;
using System.Text.Json;
using EcomStream.Core;
using EcomStream.TestSupport;

namespace EcomStream.Web.Tests;

public sealed class ApiTests(RunningDashboard dashboard) : IClassFixture<RunningDashboard>
{
    [Fact]
    public async Task An_order_has_its_row_and_a_timeline()
    {
        var order = await dashboard.GetAsync("/api/orders/17");
        order.GetProperty("row").GetProperty("item").GetString().ShouldBe("lamp");
        order.GetProperty("row").GetProperty("payment_id").GetString().ShouldBe("1017");
        order.GetProperty("timeline").EnumerateArray().Select(entry => entry.GetProperty("what").GetString())
            .ShouldBe(["order published", "payment published"]);
    }

    [Fact]
    public async Task The_timeline_of_an_unmatched_payment_has_its_history_and_its_message_id()
    {
        var order = await dashboard.GetAsync("/api/orders/902");
        order.TryGetProperty("row", out _).ShouldBeFalse();
        var timeline = order.GetProperty("timeline").EnumerateArray().ToList();
        timeline.Select(entry => entry.GetProperty("what").GetString()).ShouldContain("payment dead-lettered");
        timeline[0].GetProperty("message").GetString().ShouldNotBeNullOrEmpty();
    }

    [Fact]
    public async Task The_state_of_a_live_actor_is_shown()
    {
        await dashboard.PublishAsync("orders_data", """{"order_id": 50, "item": "chair"}""");
        await Eventually.True(
            async () => (await dashboard.GetAsync("/api/orders/50")).TryGetProperty("live", out var live) && live.GetProperty("order").GetString() == "present",
            "the order waits for its payment in memory");
        (await dashboard.GetAsync("/api/orders/17")).TryGetProperty("live", out _).ShouldBeFalse("a complete order has no actor");
    }

    [Theory]
    [InlineData("17")]
    [InlineData("1017")]
    [InlineData("17-1017")]
    public async Task An_order_is_found_by_its_number_its_payment_and_a_dead_letter_id(string text) =>
        (await dashboard.GetAsync($"/api/search?q={text}")).GetProperty("orders").EnumerateArray().Select(id => id.GetString()).ShouldContain("17");

    [Fact]
    public async Task A_payment_that_waits_is_found_by_its_number() =>
        (await dashboard.GetAsync("/api/search?q=1902")).GetProperty("orders")[0].GetString().ShouldBe("902");

    [Fact]
    public async Task Card_numbers_and_security_codes_are_masked()
    {
        var shown = (await dashboard.GetAsync("/api/dead-letters/902-1902")).GetRawText();
        shown.ShouldContain("************1111");
        shown.ShouldNotContain(RunningDashboard.CardNumber);
        shown.ShouldNotContain("\\u0022123\\u0022");
        var exported = await dashboard.Client.GetStringAsync("/api/dead-letters/export?order=902");
        exported.ShouldContain("************1111");
        exported.ShouldNotContain(RunningDashboard.CardNumber);
    }

    [Fact]
    public async Task A_list_is_filtered_and_has_pages()
    {
        var first = await dashboard.GetAsync("/api/dead-letters?limit=1&reason=no-matching-order");
        first.GetProperty("rows").GetArrayLength().ShouldBe(1);
        var second = await dashboard.GetAsync($"/api/dead-letters?limit=1&reason=no-matching-order&after={Uri.EscapeDataString(first.GetProperty("next").GetString()!)}");
        second.GetProperty("rows")[0].GetProperty("id").GetString().ShouldNotBe(first.GetProperty("rows")[0].GetProperty("id").GetString());
        (await dashboard.GetAsync("/api/dead-letters?reason=malformed")).GetProperty("rows").GetArrayLength().ShouldBe(1);
        using var wrong = await dashboard.Client.GetAsync("/api/dead-letters?state=lost");
        wrong.StatusCode.ShouldBe(HttpStatusCode.BadRequest);
    }

    [Fact]
    public async Task A_discard_is_counted_then_changes_the_row_and_keeps_the_reason()
    {
        var (_, count) = await dashboard.PostAsync("/api/dead-letters/count", new { filter = new { order = "900" } });
        count.GetProperty("count").GetInt32().ShouldBe(1);
        var (status, operation) = await dashboard.PostAsync("/api/dead-letters/discard", new { filter = new { order = "900" }, reason = "a test order" });
        status.ShouldBe(HttpStatusCode.OK);
        await FinishAsync(operation);
        var row = (await dashboard.Process.Store.ReadUnmatchedAsync([900], CancellationToken.None)).ShouldHaveSingleItem();
        row.State.ShouldBe(UnmatchedState.Discarded);
        row.History.ShouldContain("a test order");
    }

    [Fact]
    public async Task A_replay_publishes_the_payment_again()
    {
        var (_, operation) = await dashboard.PostAsync("/api/dead-letters/replay", new { ids = new[] { "901-1901" }, reason = "its order exists now" });
        (await FinishAsync(operation)).GetProperty("done").GetInt32().ShouldBe(1);
        await Eventually.True(
            async () => (await dashboard.Process.Store.ReadUnmatchedAsync([901], CancellationToken.None))[0] is { Replays: 1, State: UnmatchedState.DeadLettered } row
                && row.History.Contains("its order exists now", StringComparison.Ordinal),
            "it is dead-lettered again");
    }

    [Fact]
    public async Task An_action_without_a_reason_is_rejected() =>
        (await dashboard.PostAsync("/api/dead-letters/discard", new { ids = new[] { "902-1902" } })).Status.ShouldBe(HttpStatusCode.BadRequest);

    [Fact]
    public async Task Settings_have_their_origin()
    {
        var settings = (await dashboard.GetAsync("/api/settings")).GetProperty("settings").EnumerateArray()
            .ToDictionary(setting => setting.GetProperty("path").GetString()!, setting => (Value: setting.GetProperty("value").GetString(), Origin: setting.GetProperty("origin").GetString()));
        settings["ecomstream.unmatched.grace"].ShouldBe(("200ms", "file"));
        settings["ecomstream.join.shards"].ShouldBe(("8", "default"));
    }

    [Fact]
    public async Task Live_figures_are_sent_every_second()
    {
        using var response = await dashboard.Client.GetAsync("/api/live", HttpCompletionOption.ResponseHeadersRead);
        response.Content.Headers.ContentType!.MediaType.ShouldBe("text/event-stream");
        using var reader = new StreamReader(await response.Content.ReadAsStreamAsync());
        var events = 0;
        while (events < 2)
        {
            var line = await reader.ReadLineAsync();
            if (line?.StartsWith("data: ", StringComparison.Ordinal) == true)
            {
                JsonDocument.Parse(line[6..]).RootElement.GetProperty("status").GetString().ShouldBe("ready");
                events++;
            }
        }
    }

    private async Task<JsonElement> FinishAsync(JsonElement operation)
    {
        var id = operation.GetProperty("id").GetString();
        var now = operation;
        await Eventually.True(
            async () =>
            {
                now = await dashboard.GetAsync($"/api/operations/{id}");
                return now.GetProperty("finished").GetBoolean();
            },
            "the operation ends");
        return now;
    }
}
