namespace EcomStream.Host.Tests.Cli;

public sealed class ConfigCommandTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ecomstream-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Check_reports_all_problems_with_their_places_and_notes()
    {
        var file = Write("include \"none.conf\"\necomstream.join.shards = 0\necomstream.unmatched.graze = 1s\n");
        var check = await CommandLineRun.Of("config", "check", "--config", file, "--set", "ecomstream.broker.port=70000");

        check.Code.ShouldBe(3);
        check.Out.ShouldBeEmpty();
        foreach (var text in new[] { $"{file}:2: ecomstream.join.shards", $"{file}:3: ecomstream.unmatched.graze", "--set: ecomstream.broker.port", $"note: {file}:1: " })
        {
            check.Error.ShouldContain(text);
        }

        (await CommandLineRun.Of("config", "check", "--config", Write("a = {"))).Code.ShouldBe(2);
    }

    [Fact]
    public async Task Check_asks_for_a_token_where_the_endpoint_can_be_reached_from_other_machines_and_other_commands_do_not()
    {
        var check = await CommandLineRun.Of("config", "check", "--set", "ecomstream.http.address=0.0.0.0:9090");
        check.Code.ShouldBe(3);
        check.Error.ShouldContain("set ecomstream.http.token");

        var other = await CommandLineRun.Of("config", "show", "--changed", "--set", "ecomstream.http.address=0.0.0.0:9090");
        other.Code.ShouldBe(0);
        var missing = await CommandLineRun.Of("orders", "get", "1", "--set", "ecomstream.http.address=0.0.0.0:9090", "--data", Path.Combine(Path.GetTempPath(), Guid.NewGuid().ToString("n")));
        missing.Error.ShouldNotContain("http");
    }

    [Fact]
    public async Task Show_prints_every_setting_with_its_origin_and_masks_secrets()
    {
        var file = Write("ecomstream {\n  store.cassandra.password = \"hush\"\n  join.shards = 3\n}\n");
        var place = new CommandLineRun.Place { Environment = new() { ["ECOMSTREAM__UNMATCHED__GRACE"] = "7s" } };
        var show = await CommandLineRun.In(place, "config", "show", "--config", file, "--set", "ecomstream.store.kind=cassandra", "--data", "here");

        show.Code.ShouldBe(0, show.Error);
        show.Lines.ShouldContain("ecomstream.writer.writers = 1");
        show.Lines.ShouldContain($"ecomstream.join.shards = 3  # {file}:3");
        show.Lines.ShouldContain("ecomstream.unmatched.grace = 7s  # ECOMSTREAM__UNMATCHED__GRACE");
        show.Lines.ShouldContain("ecomstream.store.kind = cassandra  # --set");
        show.Lines.ShouldContain($"ecomstream.store.cassandra.password = ********  # {file}:2");
        show.Lines.ShouldContain(line => line.StartsWith("ecomstream.data-dir = here"));
        show.Out.ShouldNotContain("hush");
        (await CommandLineRun.In(place, "config", "show", "--changed", "--format", "csv", "--config", file)).Lines.Length.ShouldBe(4);
    }

    [Fact]
    public async Task A_command_with_a_wrong_value_has_one_line_for_it_and_no_stack_trace()
    {
        var run = await CommandLineRun.Of("run", "--set", "ecomstream.status-interval=soon");
        run.Code.ShouldBe(2);
        run.Error.ShouldBe("ecomstream: --set: ecomstream.status-interval = soon: must be a duration with a unit, such as 5s.\n");
    }

    private string Write(string text)
    {
        var path = Path.Combine(_folder.FullName, $"{Guid.NewGuid():n}.conf");
        File.WriteAllText(path, text);
        return path;
    }
}
