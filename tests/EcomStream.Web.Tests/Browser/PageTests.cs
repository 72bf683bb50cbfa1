using System.Text.Json;
using EcomStream.Core;
using EcomStream.TestSupport;
using Microsoft.Playwright;

namespace EcomStream.Web.Tests.Browser;

public sealed class PageTests(Browsers browsers) : IClassFixture<Browsers>
{
    private RunningDashboard Dashboard => browsers.Dashboard;

    [SkippableFact]
    public async Task Flow_shows_figures_that_move_while_messages_arrive()
    {
        await using var open = await browsers.OpenAsync("/");
        var received = open.Page.Locator("[data-total=received]");
        await Assertions.Expect(received).Not.ToHaveTextAsync("–");
        var before = await CountAsync(received);
        for (var id = 1_000; id < 1_020; id++)
        {
            await Dashboard.PublishAsync("orders_data", $$"""{"order_id": {{id}}, "item": "desk"}""");
        }

        await Eventually.True(async () => await CountAsync(received) >= before + 20, "the figures move");
        await Assertions.Expect(open.Text("orders_data-sub")).ToBeVisibleAsync();
        await Assertions.Expect(open.Page.Locator("#throughput svg")).ToBeVisibleAsync();
        await Assertions.Expect(open.Page.Locator("#status-text")).ToHaveTextAsync("ready");
    }

    [SkippableFact]
    public async Task Order_shows_the_row_and_the_timeline_of_a_payment_that_is_searched()
    {
        await using var open = await browsers.OpenAsync("/order");
        await open.Page.GetByLabel("Order or payment number").FillAsync("1017");
        await open.Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(open.Page.Locator("#order-title")).ToHaveTextAsync("Order 17");
        await Assertions.Expect(open.Page.Locator("#row")).ToContainTextAsync("lamp");
        await Assertions.Expect(open.Page.Locator("#row")).ToContainTextAsync("4242");
        await Assertions.Expect(open.Page.Locator("#timeline li")).ToHaveCountAsync(2);
    }

    [SkippableFact]
    public async Task Dead_letters_show_the_payload_as_text_and_without_the_card_number()
    {
        await using var open = await browsers.OpenAsync("/dead-letters?reason=malformed");
        await open.Page.Locator("tbody button.link").First.ClickAsync();
        await Assertions.Expect(open.Page.Locator("dialog pre")).ToHaveTextAsync("<b>no json</b>");
        await open.Page.Keyboard.PressAsync("Escape");
        await open.Page.GotoAsync("/dead-letters?id=902-1902");
        await Assertions.Expect(open.Page.Locator("dialog pre")).ToContainTextAsync("************1111");
    }

    [SkippableFact]
    public async Task Discarding_a_selection_asks_for_the_reason_and_changes_the_table()
    {
        await using var open = await browsers.OpenAsync("/dead-letters?order=901");
        await open.Page.GetByLabel("Select 901-1901").CheckAsync();
        await open.Page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "Discard selected" }).ClickAsync();
        await Assertions.Expect(open.Page.Locator("#confirm-title")).ToHaveTextAsync("Discard 1 dead letter?");
        await open.Page.GetByLabel("Reason; it is kept in the history").FillAsync("given back to the customer");
        await open.Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(open.Page.Locator("#progress-text")).ToHaveTextAsync("Discarded 1 of 1.");
        await Assertions.Expect(open.Page.Locator("tbody .badge")).ToHaveTextAsync("discarded");
        (await Dashboard.Process.Store.ReadUnmatchedAsync([901], CancellationToken.None)).ShouldHaveSingleItem().State.ShouldBe(UnmatchedState.Discarded);
    }

    [SkippableFact]
    public async Task Replaying_all_that_match_says_how_many_first()
    {
        await using var open = await browsers.OpenAsync("/dead-letters?order=900");
        await open.Page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "Replay all dead-lettered that match" }).ClickAsync();
        await Assertions.Expect(open.Page.Locator("#confirm-title")).ToHaveTextAsync("Replay 1 dead letter?");
        await open.Page.GetByLabel("Reason; it is kept in the history").FillAsync("its order exists");
        await open.Page.Locator("#confirm-go").ClickAsync();
        await Assertions.Expect(open.Page.Locator("#progress-text")).ToHaveTextAsync("Replayed 1 of 1.");
        await Eventually.True(
            async () => (await Dashboard.Process.Store.ReadUnmatchedAsync([900], CancellationToken.None))[0].Replays == 1, "the replay is counted");
    }

    [SkippableFact]
    public async Task Settings_are_found_and_logs_are_shown()
    {
        await using var open = await browsers.OpenAsync("/settings");
        await open.Page.GetByLabel("Find").FillAsync("unmatched.grace");
        await Assertions.Expect(open.Page.Locator("tbody tr")).ToHaveCountAsync(1);
        await Assertions.Expect(open.Page.Locator("tbody")).ToContainTextAsync("200ms");
        await open.Page.GotoAsync("/logs");
        await Assertions.Expect(open.Page.Locator("#list > *")).ToBeVisibleAsync();
    }

    [SkippableFact]
    public async Task The_cluster_page_of_a_single_process_says_that_there_is_no_cluster()
    {
        await using var open = await browsers.OpenAsync("/cluster");
        await Assertions.Expect(open.Page.Locator("#list")).ToContainTextAsync("This process is not a node of a cluster");
    }

    // The answers are those of /api/cluster on a node of three, of which one was killed between the first two.
    [SkippableFact]
    public async Task The_cluster_page_shows_nodes_shards_rates_and_what_is_wrong()
    {
        await using var open = await browsers.OpenAsync("/logs");
        var calls = 0;
        await open.Page.RouteAsync("**/api/cluster", route => route.FulfillAsync(new RouteFulfillOptions
        {
            ContentType = "application/json", Body = Cluster(Interlocked.Increment(ref calls)),
        }));
        await open.Page.GotoAsync("/cluster");
        await Assertions.Expect(open.Page.Locator(".all-well")).ToHaveTextAsync("All 4 shards run on 2 nodes.");
        var rows = open.Page.Locator("tbody tr");
        await Assertions.Expect(rows).ToHaveCountAsync(2);
        await Assertions.Expect(rows.First).ToContainTextAsync("akka.tcp://ecomstream@127.0.0.1:4051 (this one)");
        await Assertions.Expect(rows.First).ToContainTextAsync("0 2");

        await Assertions.Expect(open.Page.Locator(".problem").First).ToContainTextAsync("akka.tcp://ecomstream@127.0.0.1:4052 does not answer");
        await Assertions.Expect(open.Page.Locator(".problem").Nth(1)).ToContainTextAsync("2 of 4 shards do not run");
        await Assertions.Expect(rows.Nth(1).Locator(".badge")).ToHaveTextAsync("unreachable");
        (await CountAsync(rows.First.Locator("td").Nth(3))).ShouldBeInRange(50, 600);
        await open.ShouldBeAccessibleAsync();
        await open.ShouldFitAsync();
    }

    [SkippableFact]
    public async Task The_theme_is_changed_and_remembered()
    {
        await using var open = await browsers.OpenAsync("/", theme: "dark");
        await Assertions.Expect(open.Page.Locator("html")).ToHaveAttributeAsync("data-theme", "dark");
        await open.Page.GetByRole(AriaRole.Button, new PageGetByRoleOptions { Name = "Change between light and dark colors" }).ClickAsync();
        await open.Page.ReloadAsync();
        await Assertions.Expect(open.Page.Locator("html")).ToHaveAttributeAsync("data-theme", "light");
    }

    [SkippableTheory]
    [InlineData("/", "#throughput svg")]
    [InlineData("/order?id=902", "#timeline li")]
    [InlineData("/dead-letters", "tbody tr")]
    [InlineData("/dead-letters?id=902-1902", "dialog[open] pre")]
    [InlineData("/cluster", "#list > *")]
    [InlineData("/settings", "tbody tr")]
    [InlineData("/logs", "#list > *")]
    [InlineData("/sign-in", "form")]
    public async Task Axe_reports_nothing_and_every_page_fits_on_a_phone_and_a_desktop(string path, string shown)
    {
        foreach (var (width, theme) in new[] { (1440, "light"), (390, "dark") })
        {
            await using var open = await browsers.OpenAsync(path, width, theme);
            await open.Page.Locator(shown).First.WaitForAsync();
            await open.ShouldBeAccessibleAsync();
            await open.ShouldFitAsync();
        }
    }

    [SkippableFact]
    public async Task The_navigation_is_used_with_the_keyboard()
    {
        await using var open = await browsers.OpenAsync("/");
        await open.Page.Keyboard.PressAsync("Tab");
        await Assertions.Expect(open.Page.Locator(".skip")).ToBeFocusedAsync();
        foreach (var name in new[] { "EcomStream", "Flow", "Order" })
        {
            await open.Page.Keyboard.PressAsync("Tab");
            await Assertions.Expect(open.Page.Locator(":focus")).ToHaveTextAsync(name);
        }

        await open.Page.Keyboard.PressAsync("Enter");
        await Assertions.Expect(open.Page).ToHaveTitleAsync("Order – EcomStream");
    }

    private static string Cluster(int call) => JsonSerializer.Serialize(new
    {
        self = "akka.tcp://ecomstream@127.0.0.1:4051",
        shards = 4,
        nodes = new[]
        {
            Node("akka.tcp://ecomstream@127.0.0.1:4051", unreachable: false, [0, 2], call * 500L),
            Node("akka.tcp://ecomstream@127.0.0.1:4052", unreachable: call > 1, [1, 3], 7L),
        },
    });

    private static object Node(string address, bool unreachable, int[] shards, long messages) => new
    {
        address,
        state = "Up",
        unreachable,
        shards = shards.Select(shard => new { shard, messages }),
        shardsStarted = shards.Length,
        outstanding = 3,
        watermark = "2026-11-27T00:01:02.123456Z",
    };

    private static async Task<long> CountAsync(ILocator figure) =>
        long.TryParse((await figure.TextContentAsync())?.Replace(",", "", StringComparison.Ordinal), out var count) ? count : 0;
}
