using Deque.AxeCore.Commons;
using Deque.AxeCore.Playwright;
using Microsoft.Playwright;

namespace EcomStream.Web.Tests.Browser;

/// <summary>A running dashboard and Debian's Chromium; the tests are skipped where ECOMSTREAM_TEST_CHROMIUM does not name it.</summary>
public sealed class Browsers : IAsyncLifetime
{
    private static readonly string? _path = Environment.GetEnvironmentVariable("ECOMSTREAM_TEST_CHROMIUM");
    private IPlaywright? _playwright;
    private IBrowser? _browser;

    public RunningDashboard Dashboard { get; } = new();

    public async Task InitializeAsync()
    {
        if (string.IsNullOrEmpty(_path))
        {
            return;
        }

        await Dashboard.InitializeAsync();
        _playwright = await Playwright.CreateAsync();
        _browser = await _playwright.Chromium.LaunchAsync(new BrowserTypeLaunchOptions { ExecutablePath = _path, Args = ["--no-sandbox", "--disable-gpu"] });
    }

    public async Task DisposeAsync()
    {
        if (_browser is not null)
        {
            await _browser.CloseAsync();
            _playwright!.Dispose();
            await Dashboard.DisposeAsync();
        }
    }

    /// <summary>Opens a page of the dashboard; an error of a script or the policy fails the test when it is disposed.</summary>
    public async Task<OpenPage> OpenAsync(string path, int width = 1440, string theme = "light")
    {
        Skip.If(_browser is null, "ECOMSTREAM_TEST_CHROMIUM is not set");
        var context = await _browser.NewContextAsync(new BrowserNewContextOptions
        {
            BaseURL = Dashboard.Url,
            ViewportSize = new ViewportSize { Width = width, Height = 900 },
            ColorScheme = theme == "dark" ? ColorScheme.Dark : ColorScheme.Light,
        });
        var page = await context.NewPageAsync();
        page.SetDefaultTimeout(10_000);
        var opened = new OpenPage(context, page);
        await page.GotoAsync(path);
        return opened;
    }
}

/// <summary>A page, and what went wrong on it.</summary>
public sealed class OpenPage : IAsyncDisposable
{
    private readonly IBrowserContext _context;
    private readonly List<string> _errors = [];

    public OpenPage(IBrowserContext context, IPage page)
    {
        (_context, Page) = (context, page);
        page.PageError += (_, error) => _errors.Add(error);
        page.Console += (_, message) =>
        {
            // A lost connection is an error that the page handles.
            if (message.Type == "error" && !message.Text.Contains("net::ERR", StringComparison.Ordinal))
            {
                _errors.Add(message.Text);
            }
        };
    }

    public IPage Page { get; }

    public ILocator Text(string text) => Page.GetByText(text).First;

    /// <summary>Fails with every problem of accessibility that axe reports.</summary>
    public async Task ShouldBeAccessibleAsync()
    {
        var result = await Page.RunAxe();
        result.Violations.SelectMany(violation => violation.Nodes.Select(node => $"{violation.Id}: {violation.Help}: {node.Html}")).ShouldBeEmpty();
    }

    /// <summary>Fails when the page is wider than the window.</summary>
    public async Task ShouldFitAsync() =>
        (await Page.EvaluateAsync<int>("document.documentElement.scrollWidth - document.documentElement.clientWidth")).ShouldBeLessThanOrEqualTo(0);

    public async ValueTask DisposeAsync()
    {
        await _context.CloseAsync();
        _errors.ShouldBeEmpty();
    }
}
