using EcomStream.Host.Cli;
using EcomStream.Host.Commands;
using EcomStream.PubSub.Broker;

namespace EcomStream.Host.Tests.Cli;

/// <summary>Commands other than dlq, in this process.</summary>
public sealed class CommandTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ecomstream-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Version_prints_the_version_and_the_runtime()
    {
        var run = await CommandLineRun.Of("--version");
        run.Code.ShouldBe(0);
        run.Out.Trim().ShouldMatch(@"^\d+\.\d+\.\d+\S* \((commit [0-9a-f]{12}, )?\.NET 10\.");
    }

    [Theory]
    [InlineData("dlq", "list")]
    [InlineData("dlq", "replay")]
    [InlineData("produce")]
    [InlineData("run")]
    [InlineData("broker")]
    public async Task Help_shows_neither_type_names_nor_values_in_another_case(params string[] command)
    {
        var help = await CommandLineRun.Of([.. command, "--help"]);
        help.Code.ShouldBe(0);
        help.Out.ShouldNotMatch(@"System\.|\[default: ([A-Z]|-1)");
    }

    [Fact]
    public async Task Suggestions_for_completion_name_commands_and_values()
    {
        (await CommandLineRun.Of("[suggest:2]", "dl")).Lines.ShouldContain("dlq");
        (await CommandLineRun.Of("[suggest:18]", "dlq list --state d")).Lines.ShouldBe(["dead-lettered", "discarded", "healed"]);
        (await CommandLineRun.Of("[suggest:19]", "produce --sequence ")).Lines.ShouldBe(["interleaved", "orders-first", "payments-first"]);
    }

    [Fact]
    public async Task Doctor_passes_on_an_empty_folder_and_names_what_is_wrong()
    {
        var fine = await CommandLineRun.Of("doctor", "--data", _folder.FullName);
        fine.Code.ShouldBe(0, fine.Out);
        fine.Lines.Select(line => line.Split(' ')[0]).ShouldBe(["ok", "ok", "ok", "ok"]);

        var wrong = await CommandLineRun.Of("doctor", "--data", _folder.FullName, "--set", "ecomstream.join.shards=0");
        wrong.Code.ShouldBe(3);
        wrong.Out.ShouldStartWith("failed  configuration");

        var down = await CommandLineRun.In(
            new CommandLineRun.Place { Environment = new() { ["PUBSUB_EMULATOR_HOST"] = "127.0.0.1:9" } }, "doctor", "--data", _folder.FullName, "--timeout", "300ms");
        down.Code.ShouldBe(3);
        down.Out.ShouldContain("failed  pub/sub");
        down.Out.ShouldNotContain("   at ");
    }

    [Fact]
    public async Task The_broker_takes_its_settings_from_configuration_environment_and_options_and_says_where_it_listens()
    {
        using var stop = new CancellationTokenSource();
        var output = new WaitingWriter();
        var run = CommandLineRun.In(
            new CommandLineRun.Place
            {
                Stop = stop.Token, Output = output, Environment = new() { ["ECOMSTREAM__BROKER__PORT"] = "0", ["ECOMSTREAM__BROKER__FSYNC"] = "never" },
            },
            "broker", "--data", _folder.FullName, "--log-level", "warning");
        var line = await output.FirstLine.WaitAsync(TimeSpan.FromSeconds(60));
        var endpoint = line.Replace("export PUBSUB_EMULATOR_HOST=", "");
        endpoint.ShouldNotEndWith(":8085");
        File.ReadAllText(Path.Combine(_folder.FullName, "broker.endpoint")).ShouldBe(endpoint);

        // A command on the same folder finds it.
        var produce = await CommandLineRun.Of("produce", "--data", _folder.FullName, "--orders", "3", "--payments", "2");
        produce.Code.ShouldBe(0, produce.Error);
        produce.Out.ShouldContain($"published 3 orders and 2 payments to {endpoint}");

        await stop.CancelAsync();
        (await run).Code.ShouldBe(0);
        Directory.Exists(Path.Combine(_folder.FullName, "broker", "topics")).ShouldBeTrue();
        File.Exists(Path.Combine(_folder.FullName, "broker.endpoint")).ShouldBeFalse();
    }

    [Fact]
    public async Task Simulated_messages_do_not_go_to_production_unasked()
    {
        var run = await CommandLineRun.Of("produce", "--config", "gcp.conf", "--set", "ecomstream.pubsub.project-id=shop");
        run.Code.ShouldBe(2);
        run.Error.ShouldContain("project shop");
        run.Error.ShouldContain("--allow-production");

        var settings = HostSettings.Read(ConfigurationLoader.Load("gcp.conf", [], new Dictionary<string, string>()), null);
        ProduceCommand.Target(settings, allowProduction: true).ShouldBe(settings.PubSub);
        Should.Throw<UsageException>(() => ProduceCommand.Target(settings, allowProduction: false));
        var emulator = HostSettings.Read(ConfigurationLoader.Load("gcp.conf", [], new Dictionary<string, string>()), "localhost:1234");
        ProduceCommand.Target(emulator, allowProduction: false).EmulatorHost.ShouldBe("localhost:1234");
    }

    [Fact]
    public void A_run_says_why_it_does_not_start_its_broker()
    {
        var config = ConfigurationLoader.Load("embedded.conf", [], new Dictionary<string, string>());
        RunCommand.IgnoredBroker(HostSettings.Read(config, null), null).ShouldBeNull();
        RunCommand.IgnoredBroker(HostSettings.Read(config, "localhost:1234"), "localhost:1234").ShouldNotBeNull().ShouldContain("localhost:1234, set by PUBSUB_EMULATOR_HOST");
        var off = ConfigurationLoader.Load("emulator.conf", ["ecomstream.broker.embedded=off"], new Dictionary<string, string>());
        RunCommand.IgnoredBroker(HostSettings.Read(off, "localhost:1234"), "localhost:1234").ShouldBeNull();
    }

    [Fact]
    public async Task A_damaged_broker_folder_is_an_error_and_not_a_stale_endpoint()
    {
        await using (await EmbeddedBroker.StartAsync(new EmbeddedBrokerOptions { DataDirectory = Path.Combine(_folder.FullName, "broker"), Port = 0 }))
        {
            // It leaves a folder with metadata.
        }

        await File.WriteAllTextAsync(Path.Combine(_folder.FullName, "broker", "broker.json"), "damaged");
        await File.WriteAllTextAsync(Path.Combine(_folder.FullName, "broker.endpoint"), "127.0.0.1:9");
        var check = await CommandLineRun.Of("topics", "check", "--data", _folder.FullName).WaitAsync(TimeSpan.FromSeconds(60));
        check.Code.ShouldBe(2);
        check.Error.ShouldContain("broker.json");
    }
}
