using System.Diagnostics;
using EcomStream.Host.Cli;

namespace EcomStream.Host.Tests.Cli;

public sealed class TextOutputTests
{
    [Theory]
    [InlineData("plain ü 漢 😀", "plain ü 漢 😀")]
    [InlineData("\u001b[2J", "\\u001b[2J")]
    [InlineData("a\rb\nc\td", "a\\u000db\\u000ac\\u0009d")]
    [InlineData("\u202egnp.exe", "\\u202egnp.exe")]
    [InlineData("\u009b31m", "\\u009b31m")]
    [InlineData("\U000e0001", "\\udb40\\udc01")]
    public void Control_and_format_characters_are_escaped(string text, string safe) => Printable.Escape(text).ShouldBe(safe);

    [Fact]
    public void Half_a_surrogate_pair_is_escaped() => Printable.Escape("\ud800x").ShouldBe("\\ud800x");

    [Fact]
    public void Lines_can_be_kept() => Printable.Escape("a\n\u001b", keepLines: true).ShouldBe("a\n\\u001b");

    [Theory]
    [InlineData("=1+1", "'=1+1")]
    [InlineData("@SUM(A1)", "'@SUM(A1)")]
    [InlineData("-5-1005", "'-5-1005")]
    [InlineData("-5", "-5")]
    [InlineData("+1.5", "+1.5")]
    [InlineData("=\"a\"", "\"'=\"\"a\"\"\"")]
    [InlineData("a,b", "\"a,b\"")]
    public void A_cell_that_a_spreadsheet_would_run_is_text(string cell, string line) => Csv.Line([cell]).ShouldBe(line);

    [Fact]
    public void On_a_terminal_the_last_column_is_cut_and_no_other()
    {
        var output = new StringWriter { NewLine = "\n" };
        var table = new TextTable(Context(output, isTerminal: true), ["id", "state", "detail"]);
        table.Add("orders_data-sub-4711471147114711", "dead-lettered", new string('x', 100));
        table.Add("1-2", "waiting", "");
        table.End();

        var lines = output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries);
        lines.Length.ShouldBe(3);
        lines.ShouldAllBe(line => line.Length <= 80);
        lines[1].ShouldStartWith("orders_data-sub-4711471147114711  dead-lettered  xxx");
        lines[1].ShouldEndWith("…");
        lines[2].ShouldBe("1-2                               waiting");
    }

    [Fact]
    public void Into_a_pipe_go_tabs_without_padding()
    {
        var output = new StringWriter { NewLine = "\n" };
        var table = new TextTable(Context(output, isTerminal: false), ["id", "detail"]);
        table.Add("1-2", "a\tb");
        table.End();

        output.ToString().ShouldBe("id\tdetail\n1-2\ta\\u0009b\n");
    }

    [Fact]
    public void A_long_table_is_written_while_its_rows_come()
    {
        var output = new StringWriter { NewLine = "\n" };
        var table = new TextTable(Context(output, isTerminal: true), ["id", "detail"]);
        for (var i = 0; i < 1_000; i++)
        {
            table.Add($"{i}", "x");
        }

        output.ToString().Split('\n', StringSplitOptions.RemoveEmptyEntries).Length.ShouldBe(1_001);
    }

    // script (util-linux) runs the program on a terminal.
    [Theory]
    [InlineData("config check")]
    [InlineData("dlq --help")]
    public async Task With_NO_COLOR_a_terminal_gets_no_control_sequences(string command)
    {
        if (!OperatingSystem.IsLinux() || !File.Exists("/usr/bin/script"))
        {
            return;
        }

        var start = new ProcessStartInfo("/usr/bin/script", ["-qec", $"dotnet '{Path.Combine(AppContext.BaseDirectory, "ecomstream.dll")}' {command}", "/dev/null"])
        {
            RedirectStandardOutput = true, RedirectStandardInput = true,
        };
        start.Environment["NO_COLOR"] = "1";
        start.Environment["TERM"] = "xterm";
        using var process = Process.Start(start)!;
        using var deadline = new CancellationTokenSource(TimeSpan.FromSeconds(60));
        var output = await process.StandardOutput.ReadToEndAsync(deadline.Token);
        await process.WaitForExitAsync(deadline.Token);
        process.ExitCode.ShouldBe(0, output);
        output.ShouldNotBeEmpty();
        output.ShouldNotContain("\u001b");
    }

    private static CommandContext Context(TextWriter output, bool isTerminal) =>
        new() { Out = output, Error = TextWriter.Null, In = TextReader.Null, IsTerminal = isTerminal, Width = 80 };
}
