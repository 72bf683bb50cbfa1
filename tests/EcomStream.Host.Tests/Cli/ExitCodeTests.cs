using EcomStream.Core;
using EcomStream.Hosting;

namespace EcomStream.Host.Tests.Cli;

/// <summary>The exit codes as docs/cli.md states them, and one line on standard error for what is expected.</summary>
public sealed class ExitCodeTests
{
    [SkippableTheory]
    [InlineData("ecomstream.pubsub.client", "run")]
    [InlineData("ecomstream.store.cassandra.client", "schema", "check")]
    [InlineData("ecomstream.pubsub.client", "dlq", "list")]
    public async Task Asking_for_an_official_client_in_a_build_without_them_is_code_2_and_says_how_to_get_them(string path, params string[] command)
    {
        Skip.If(ClientKindReader.HasOfficialClients, "this build contains the official clients");

        var run = await CommandLineRun.Of([.. command, "--set", $"{path}=official"]);

        run.Code.ShouldBe(2, run.Error);
        run.Error.ShouldContain($"{path} = official: this build of EcomStream does not contain the official clients");
        run.Error.ShouldContain("-p:OfficialClients=true");
        run.Error.ShouldNotContain("   at ");
    }

    [Theory]
    [InlineData("--orders abc", "produce", "--orders", "abc")]
    [InlineData("--orders -1", "produce", "--orders", "-1")]
    [InlineData("--malformed x", "produce", "--malformed", "x")]
    [InlineData("--malformed 2", "produce", "--malformed", "2")]
    [InlineData("--rate NaN", "produce", "--rate", "NaN")]
    [InlineData("--sequence Backwards", "produce", "--sequence", "Backwards")]
    [InlineData("--port 70000", "broker", "--port", "70000")]
    [InlineData("--port x", "broker", "--port", "x")]
    [InlineData("--fsync-interval 50", "broker", "--fsync-interval", "50")]
    [InlineData("--segment-bytes 1", "broker", "--segment-bytes", "1")]
    [InlineData("--until-idle 5", "run", "--until-idle", "5")]
    [InlineData("abc", "orders", "get", "abc")]
    [InlineData("--order x", "dlq", "list", "--order", "x")]
    [InlineData("--reason late", "dlq", "list", "--reason", "late")]
    [InlineData("--state gone", "dlq", "stats", "--state", "gone")]
    [InlineData("--limit 0", "dlq", "list", "--limit", "0")]
    [InlineData("--format xml", "dlq", "list", "--format", "xml")]
    [InlineData("--rate -1", "dlq", "replay", "1-2", "--rate", "-1")]
    [InlineData("--because", "dlq", "discard", "1-2")]
    [InlineData("--timeout 5", "health", "--timeout", "5")]
    [InlineData("--timeout soon", "doctor", "--timeout", "soon")]
    [InlineData("--format xml", "top", "--format", "xml")]
    [InlineData("--format xml", "config", "show", "--format", "xml")]
    [InlineData("--nope", "run", "--nope")]
    [InlineData("nope", "nope")]
    public async Task A_usage_error_is_code_2_on_standard_error_without_type_names_and_help(string text, params string[] arguments)
    {
        var run = await CommandLineRun.Of(arguments);

        run.Code.ShouldBe(2, run.Error);
        run.Error.ShouldContain(text);
        run.Error.ShouldContain("--help");
        run.Error.ShouldNotContain("System.");
        run.Error.ShouldNotContain("   at ");
        run.Out.ShouldBeEmpty();
    }

    [Fact]
    public async Task An_empty_command_line_is_a_usage_error_and_help_is_not()
    {
        (await CommandLineRun.Of()).Code.ShouldBe(2);
        var help = await CommandLineRun.Of("dlq", "list", "--help");
        help.Code.ShouldBe(0);
        help.Out.ShouldContain("--newest-first");
        help.Out.ShouldNotContain("System.");
    }

    [Fact]
    public async Task What_does_not_exist_is_code_4_everywhere()
    {
        await using var folder = await StoreFolder.CreateAsync(StoreFolder.Dead(1));
        foreach (var command in new string[][] { ["dlq", "show", "5-1005"], ["dlq", "replay", "5-1005"], ["dlq", "discard", "5-1005", "--because", "x"], ["orders", "get", "5"] })
        {
            var run = await CommandLineRun.Of([.. command, "--data", folder.Path]);
            run.Code.ShouldBe(4, string.Join(' ', command));
            run.Error.Trim().ShouldNotContain("\n");
        }
    }

    [Fact]
    public async Task A_configuration_with_problems_is_code_3_for_the_check_and_2_for_a_command()
    {
        (await CommandLineRun.Of("config", "check", "--set", "ecomstream.unmatchd.grace=3s")).Code.ShouldBe(3);
        (await CommandLineRun.Of("config", "check")).Code.ShouldBe(0);
        (await CommandLineRun.Of("orders", "get", "1", "--set", "ecomstream.unmatchd.grace=3s")).Code.ShouldBe(2);
    }

    [Fact]
    public async Task A_store_that_does_not_exist_is_an_early_usage_error_of_every_command_on_it()
    {
        var path = StoreFolder.NewPath;
        foreach (var command in new string[][] { ["dlq", "list"], ["dlq", "import", "missing.jsonl"], ["dlq", "export"], ["orders", "get", "1"] })
        {
            var run = await CommandLineRun.Of([.. command, "--data", path]);
            run.Code.ShouldBe(2);
            run.Error.ShouldContain("There is no store");
        }
    }

    [Fact]
    public async Task Output_that_cannot_be_written_is_code_1_and_one_line()
    {
        await using var folder = await StoreFolder.CreateAsync(StoreFolder.Dead(1));
        var run = await folder.Dlq(new CommandLineRun.Place { Output = new FullDisk() }, "list");
        run.Code.ShouldBe(1);
        run.Error.ShouldContain("No space left");
        run.Error.ShouldNotContain("   at ");
    }

    [Fact]
    public async Task A_command_that_is_stopped_before_it_is_done_says_how_far_it_came_and_is_not_code_0()
    {
        await using var folder = await StoreFolder.CreateAsync([.. Enumerable.Range(1, 300).Select(id => StoreFolder.Dead(id))]);
        using var stop = new CancellationTokenSource();
        await stop.CancelAsync();
        var place = new CommandLineRun.Place { Stop = stop.Token };
        var file = folder.File("out.jsonl");
        var export = await folder.Dlq(place, "export", "-o", file);
        export.Code.ShouldBe(143);
        File.Exists(file).ShouldBeFalse();
        Directory.GetFiles(folder.Path, "*.tmp").ShouldBeEmpty();
        (await folder.Dlq(place, "discard", "--reason", "no-matching-order", "--because", "x")).Code.ShouldBe(143);
        (await folder.Dlq(place, "replay", "--reason", "no-matching-order")).Code.ShouldBe(143);
        (await folder.Row(1)).State.ShouldBe(UnmatchedState.DeadLettered);
    }

    private sealed class FullDisk : StringWriter
    {
        public override void WriteLine(string? value) => throw new IOException("No space left on device");

        public override Task WriteLineAsync(string? value) => throw new IOException("No space left on device");
    }
}
