using System.Net;
using System.Net.Sockets;

namespace EcomStream.EndToEnd.Tests;

public sealed class UsageTests
{
    private static readonly TimeSpan Soon = TimeSpan.FromSeconds(60);

    [Fact]
    public async Task Config_check_names_an_unknown_key_and_the_nearest_right_one()
    {
        using var check = EcomStreamProcess.Start("config", "check", "--set", "ecomstream.unmatchd.grace=3s");
        (await check.ExitCodeAsync(Soon)).ShouldBe(3);
        check.Output.ShouldContain("ecomstream.unmatchd.grace is not a setting. Did you mean ecomstream.unmatched.grace?");
    }

    [Fact]
    public async Task Config_check_names_a_value_that_is_out_of_its_range()
    {
        using var check = EcomStreamProcess.Start("config", "check", "--set", "ecomstream.join.shards=0");
        (await check.ExitCodeAsync(Soon)).ShouldBe(3);
        check.Output.ShouldContain("ecomstream.join.shards");
    }

    [Theory]
    [InlineData("hocon/ecomstream.conf")]
    [InlineData("hocon/embedded.conf")]
    [InlineData("hocon/emulator.conf")]
    [InlineData("hocon/gcp.conf")]
    public async Task The_profiles_have_no_wrong_key(string profile)
    {
        using var check = EcomStreamProcess.Start("config", "check", "--config", profile);
        (await check.ExitCodeAsync(Soon)).ShouldBe(0, check.Output);
    }

    [Fact]
    public async Task Run_with_a_wrong_setting_ends_with_one_line_and_exit_code_2()
    {
        using var place = new Workplace();
        using var run = EcomStreamProcess.Start(place.Run("--set", "ecomstream.unmatched.grace=soon"));
        (await run.ExitCodeAsync(Soon)).ShouldBe(2);
        run.Output.ShouldContain("ecomstream.unmatched.grace");
        Lines(run).ShouldBe(1, run.Output);
    }

    [Fact]
    public async Task Google_Cloud_without_credentials_ends_with_one_line_that_says_what_was_tried()
    {
        using var place = new Workplace();

        // No home with gcloud's files, and no search for a metadata server.
        var nobody = new Dictionary<string, string>
        {
            ["HOME"] = place.Folder, ["APPDATA"] = place.Folder, ["CLOUDSDK_CONFIG"] = place.Folder,
            ["GOOGLE_APPLICATION_CREDENTIALS"] = "", ["NO_GCE_CHECK"] = "true",
        };
        using var run = EcomStreamProcess.Start(nobody, "run", "--config", "hocon/gcp.conf", "--data", place.Folder);
        (await run.ExitCodeAsync(Soon)).ShouldBe(2, run.Output);
        run.Output.ShouldContain("ecomstream.pubsub.credentials.file (empty)");
        run.Output.ShouldContain("GOOGLE_APPLICATION_CREDENTIALS (not set)");
        run.Output.ShouldContain("gcloud auth application-default login");
        Lines(run).ShouldBe(1, run.Output);
    }

    [Fact]
    public async Task Topics_are_planned_made_and_checked_on_the_embedded_broker()
    {
        using var place = new Workplace();
        string[] data = ["--data", place.Folder];
        using var planned = EcomStreamProcess.Start(["topics", "create", "--dry-run", .. data]);
        (await planned.ExitCodeAsync(Soon)).ShouldBe(0, planned.Output);
        Lines(planned).ShouldBe(8, planned.Output);
        planned.Output.ShouldContain("would create topic projects/ecomstream/topics/payments_data");

        using var early = EcomStreamProcess.Start(["topics", "check", .. data]);
        (await early.ExitCodeAsync(Soon)).ShouldBe(3, early.Output);
        early.Output.ShouldContain("subscription projects/ecomstream/subscriptions/orders_data-sub is missing");

        using var made = EcomStreamProcess.Start(["topics", "create", .. data]);
        (await made.ExitCodeAsync(Soon)).ShouldBe(0, made.Output);
        Lines(made).ShouldBe(8, made.Output);

        using var check = EcomStreamProcess.Start(["topics", "check", .. data]);
        (await check.ExitCodeAsync(Soon)).ShouldBe(0, check.Output);
        check.Output.ShouldContain("as they should be");
    }

    [Fact]
    public async Task A_port_in_use_ends_with_one_line_and_exit_code_2()
    {
        using var place = new Workplace();
        using var other = new TcpListener(IPAddress.Loopback, place.Port);
        other.Start();
        using var run = EcomStreamProcess.Start(place.Run());
        (await run.ExitCodeAsync(Soon)).ShouldBe(2);
        run.Output.ShouldContain($"{place.Port}");
        Lines(run).ShouldBe(1, run.Output);
    }

    [Fact]
    public async Task A_database_file_that_is_no_database_ends_with_one_line_and_exit_code_2()
    {
        using var place = new Workplace();
        await File.WriteAllTextAsync(place.Database, string.Concat(Enumerable.Repeat("this is no database. ", 500)));
        using var run = EcomStreamProcess.Start(place.Run());
        (await run.ExitCodeAsync(Soon)).ShouldBe(2, run.Output);
        run.Output.ShouldContain("not a SQLite database");
    }

    [Fact]
    public async Task A_data_folder_that_is_a_file_ends_with_one_line_and_exit_code_2()
    {
        using var place = new Workplace();
        var file = Path.Combine(place.Folder, "file");
        await File.WriteAllTextAsync(file, "");
        using var run = EcomStreamProcess.Start("run", "--data", file, "--set", "ecomstream.broker.port=0");
        (await run.ExitCodeAsync(Soon)).ShouldBe(2, run.Output);
        run.Output.ShouldContain(file);
        Lines(run).ShouldBe(1, run.Output);
    }

    [Fact]
    public async Task Two_processes_cannot_share_a_brokers_folder()
    {
        using var place = new Workplace();
        using var first = EcomStreamProcess.Start(place.Run());
        await first.JoinsAsync();
        using var second = EcomStreamProcess.Start("run", "--data", place.Folder, "--set", "ecomstream.broker.port=0");
        (await second.ExitCodeAsync(Soon)).ShouldBe(2);
        second.Output.ShouldContain("in use by another broker");
    }

    [Fact]
    public async Task A_subscription_that_does_not_exist_ends_with_its_name_and_exit_code_2()
    {
        using var place = new Workplace();
        using var run = EcomStreamProcess.Start(place.Run("--set", "ecomstream.setup.create-missing=off"));
        (await run.ExitCodeAsync(Soon)).ShouldBe(2, run.Output);
        run.Output.ShouldContain("_data-sub");
    }

    [Fact]
    public async Task Orders_get_shows_the_row_and_dlq_list_the_dead_letters()
    {
        using var place = new Workplace();
        using var run = EcomStreamProcess.Start(place.Run("--until-idle", Workplace.Idle, "--set", "ecomstream.unmatched.grace=500ms"));
        using var produce = EcomStreamProcess.Start(place.Produce("--orders", "3", "--payments", "5"));
        (await produce.ExitCodeAsync(Soon)).ShouldBe(0, produce.Output);
        (await run.ExitCodeAsync(Soon)).ShouldBe(0, run.Output);

        using var get = EcomStreamProcess.Start("orders", "get", "2", "--data", place.Folder);
        (await get.ExitCodeAsync(Soon)).ShouldBe(0, get.Output);
        get.Output.ShouldContain("1002");
        using var none = EcomStreamProcess.Start("orders", "get", "99", "--data", place.Folder);
        (await none.ExitCodeAsync(Soon)).ShouldBe(4, none.Output);
        using var list = EcomStreamProcess.Start("dlq", "list", "--data", place.Folder, "--reason", "no-matching-order");
        (await list.ExitCodeAsync(Soon)).ShouldBe(0, list.Output);
        list.Output.ShouldContain("1004");
        list.Output.ShouldContain("1005");
        list.Output.ShouldContain("2 in all");
    }

    [Fact]
    public async Task The_demo_ends_with_every_row_complete()
    {
        // Its own broker, whatever emulator the environment names.
        var emulator = new Dictionary<string, string> { ["PUBSUB_EMULATOR_HOST"] = "127.0.0.1:9", ["ECOMSTREAM__PUBSUB__EMULATOR_HOST"] = "127.0.0.1:9" };
        using var demo = EcomStreamProcess.Start(emulator, "demo", "--orders", "2000", "--payments", "2000", "--rate", "5000");
        (await demo.ExitCodeAsync(TimeSpan.FromSeconds(90))).ShouldBe(0, demo.Output);
        demo.Output.ShouldContain("2,000 of 2,000");
        demo.Output.ShouldContain("PUBSUB_EMULATOR_HOST=127.0.0.1:9 is ignored");

        // Each kind of dead letter is counted in its own line, and every one that was published.
        foreach (var line in new[] { "payments without an order", "malformed" })
        {
            var figures = System.Text.RegularExpressions.Regex.Match(demo.Output, line + @" +([\d,]+) published, ([\d,]+) dead-lettered");
            figures.Success.ShouldBeTrue(demo.Output);
            figures.Groups[2].Value.ShouldBe(figures.Groups[1].Value, line);
            figures.Groups[1].Value.ShouldNotBe("0", line);
        }
    }

    private static int Lines(EcomStreamProcess process) =>
        process.Output.Split(Environment.NewLine, StringSplitOptions.RemoveEmptyEntries).Length;
}
