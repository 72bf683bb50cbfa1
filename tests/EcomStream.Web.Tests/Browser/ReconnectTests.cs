using Microsoft.Playwright;

namespace EcomStream.Web.Tests.Browser;

public sealed class ReconnectTests(Browsers browsers) : IClassFixture<Browsers>
{
    [SkippableFact]
    public async Task A_page_connects_again_after_the_process_was_restarted()
    {
        await using var open = await browsers.OpenAsync("/");
        var (offline, status) = (open.Page.Locator("#offline"), open.Page.Locator("#status-text"));
        await Assertions.Expect(status).ToHaveTextAsync("ready");
        var address = browsers.Dashboard.Url["http://".Length..];
        await browsers.Dashboard.StopAsync();
        await Assertions.Expect(offline).ToBeVisibleAsync();
        await browsers.Dashboard.StartAsync(address);
        await Assertions.Expect(status).ToHaveTextAsync("ready", new LocatorAssertionsToHaveTextOptions { Timeout = 15_000 });
        await Assertions.Expect(offline).ToBeHiddenAsync();
    }
}
