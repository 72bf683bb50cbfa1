using System.Text.Json;
using EcomStream.Host.Cli;
using EcomStream.Host.Commands.Watching;
using EcomStream.TestSupport;

namespace EcomStream.Host.Tests.Cli;

public sealed class TopTests(RunningHost host) : IClassFixture<RunningHost>
{
    [Fact]
    public async Task Once_prints_the_state_of_the_host_as_a_row_as_JSON_and_as_CSV()
    {
        JsonElement flow = default;
        await Eventually.True(
            async () =>
            {
                var json = await host.Ask(new(), "top", "--once", "--format", "json");
                json.Code.ShouldBe(0, json.Error);
                flow = JsonDocument.Parse(json.Lines.ShouldHaveSingleItem()).RootElement;
                return flow.GetProperty("totals").GetProperty("received").GetInt64() >= 103;
            },
            "the host has received its messages",
            TimeSpan.FromSeconds(60));
        FlowView.Parse(flow, host.Address).Totals.Received.ShouldBeGreaterThanOrEqualTo(103);

        var table = await host.Ask(new(), "top", "--once");
        table.Code.ShouldBe(0, table.Error);
        table.Lines.Length.ShouldBe(2);
        table.Lines[0].ShouldBe(string.Join('\t', FlowView.Columns));
        table.Lines[1].Split('\t').Length.ShouldBe(FlowView.Columns.Length);
        var csv = await host.Ask(new(), "top", "--once", "--format", "csv", "--node", $"http://{host.Address}/");
        csv.Lines[0].ShouldBe(string.Join(',', FlowView.Columns));
        csv.Lines.Length.ShouldBe(2);

        var narrow = await host.Ask(new() { Width = 40 }, "top", "--once");
        narrow.Lines.ShouldAllBe(line => line.Length <= 40);
    }

    [Fact]
    public async Task On_a_terminal_the_screen_is_redrawn_until_q()
    {
        var screen = new TwoFrames();
        var run = await host.Ask(new() { Width = 80, Screen = screen }, "top");

        run.Code.ShouldBe(0, run.Error);
        screen.Asked.ShouldBe(2);
        run.Out.Split("\u001b[H").Length.ShouldBe(3, "two frames");
        run.Out.ShouldContain($"ecomstream at {host.Address}: ");
        run.Out.ShouldContain("payments_data-sub");
        run.Out.ShouldStartWith("\u001b[?1049h");
        run.Out.ShouldEndWith("\u001b[?1049l");
    }

    [Fact]
    public async Task Without_a_screen_a_row_is_printed_each_second_until_the_command_is_stopped()
    {
        using var stop = new CancellationTokenSource();
        var output = new WaitingWriter();
        var run = host.Ask(new() { Stop = stop.Token, Output = output }, "top");
        await Eventually.True(() => output.Lines >= 3, "a heading and two rows");
        await stop.CancelAsync();
        (await run).Code.ShouldBe(0);
        output.ToString().ShouldNotContain("\u001b");
    }

    [Fact]
    public async Task A_host_that_requires_a_token_is_code_2_and_says_which_setting()
    {
        var run = await CommandLineRun.Of("top", "--once", "--node", host.Address);
        run.Code.ShouldBe(2);
        run.Error.ShouldContain("ecomstream.http.token");
    }

    [Theory]
    [InlineData("top", "--once")]
    [InlineData("top", "--format", "json")]
    [InlineData("health")]
    [InlineData("cluster", "status")]
    public async Task Without_a_host_the_code_is_1_and_one_line_says_how_to_start_one(params string[] command)
    {
        var run = await CommandLineRun.Of([.. command, "--node", "127.0.0.1:9"]);
        run.Code.ShouldBe(1);
        run.Out.ShouldBeEmpty();
        run.Error.Trim().ShouldNotContain("\n");
        run.Error.ShouldContain("No host answers at 127.0.0.1:9");
        run.Error.ShouldContain("--http 127.0.0.1:9");
    }

    [Theory]
    [InlineData("127.0.0.1")]
    [InlineData("a b:1")]
    [InlineData("127.0.0.1:x")]
    [InlineData("127.0.0.1:9090/api")]
    public async Task What_is_not_a_host_and_a_port_is_code_2(string node)
    {
        var run = await CommandLineRun.Of("top", "--node", node);
        run.Code.ShouldBe(2);
        run.Error.ShouldContain("must be a host and a port");
    }

    [Fact]
    public void A_frame_fits_80_columns_names_every_problem_and_escapes_control_characters()
    {
        var flow = FlowView.Parse(
            JsonDocument.Parse(
                """
                {"at":"2026-11-24T08:00:00Z","status":"degraded","problems":[{"name":"store","state":"failed","reason":"red \u001b[31m text that is longer than what is left of a line on a terminal of eighty columns"}],
                 "now":{"received":9812.4,"written":5000,"joined":4990,"deadLettered":0.5,"p50":18.94,"p99":59.3},
                 "totals":{"received":1234567,"malformed":0,"written":600000,"joined":599000,"deadLettered":12,"healed":3,"parked":0},
                 "subscriptions":[{"name":"orders_data-sub","reading":true,"outstanding":1500,"full":true,"backlog":20000,"backlogAge":12.25},
                                  {"name":"payments_data-sub","reading":false,"outstanding":0,"full":false}],
                 "waitingOrders":17,"watermark":{"at":"2026-11-24T07:59:58Z","lag":2,"hold":"a lease"},"store":{"name":"SQLite x"},"broker":"127.0.0.1:8085"}
                """).RootElement, "h:1");

        var lines = FlowScreen.Lines(flow, "h:1", failure: null, width: 80, height: 24);

        lines.ShouldAllBe(line => line.Length <= 80);
        string.Concat(lines).ShouldNotContain("\u001b");
        lines[0].ShouldBe("ecomstream at h:1: degraded  2026-11-24 08:00:00 UTC  (q quits)");
        lines[1].ShouldStartWith(@"problem: store (failed): red \u001b[31m text");
        lines[1].ShouldEndWith("…");
        lines.ShouldContain("per second             9,812       5,000       4,990         0.5");
        lines.ShouldContain("orders_data-sub         1,500      20,000      12.3 s  full");
        lines.ShouldContain("payments_data-sub           0           -           -  not reading");
        lines.ShouldContain("watermark       2026-11-24T07:59:58Z, 2 s behind");
        lines.ShouldContain("                held: a lease");
        FlowScreen.Lines(flow, "h:1", failure: "gone", width: 80, height: 5).Count.ShouldBe(5);
        FlowScreen.Lines(flow, "h:1", failure: "gone", width: 20, height: 24).ShouldAllBe(line => line.Length <= 20);
        FlowScreen.Lines(flow, "h:1", failure: "gone", width: 80, height: 24).Take(2).ShouldBe(["ecomstream at h:1: no answer  2026-11-24 08:00:00 UTC  (q quits)", "gone"]);
        flow.Cells().ShouldBe(["08:00:00", "degraded", "9812", "5000", "0.5", "59", "1500", "20000", "12", "2", "17", flow.Problems[0]]);
    }

    private sealed class TwoFrames : IScreen
    {
        public int Asked { get; private set; }

        public int Width => 80;

        public int Height => 24;

        public Task<char?> KeyAsync(TimeSpan patience, CancellationToken stop) => Task.FromResult<char?>(++Asked == 2 ? 'q' : null);
    }
}
