using Akka.Configuration;

namespace EcomStream.Host.Tests;

public sealed class ConfigurationLoaderTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ecomstream-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void A_set_goes_before_the_environment_the_environment_before_the_file_and_the_file_before_the_defaults()
    {
        var file = Write("a.conf", "ecomstream { join.shards = 2, writer.writers = 2, unmatched.grace = 2s }");
        var environment = new Dictionary<string, string>
        {
            ["ECOMSTREAM__JOIN__SHARDS"] = "3",
            ["ECOMSTREAM__WRITER__WRITERS"] = "3",
            ["ECOMSTREAM_TEST_SOMETHING"] = "not ours",
        };
        var settings = HostSettings.Read(ConfigurationLoader.Load(file, ["ecomstream.join.shards=4"], environment), null);
        settings.Pipeline.Shards.ShouldBe(4);
        settings.Pipeline.Writers.ShouldBe(3);
        settings.Pipeline.Grace.ShouldBe(TimeSpan.FromSeconds(2));
        settings.Pipeline.Decoders.ShouldBe(1);
    }

    [Fact]
    public void One_underscore_in_a_variable_is_a_hyphen() =>
        HostSettings.Read(
            ConfigurationLoader.Load(null, [], new Dictionary<string, string> { ["ECOMSTREAM__JOIN__MAX_LIVE_ORDERS"] = "77" }), null)
            .Pipeline.MaxLiveOrders.ShouldBe(77);

    [Fact]
    public void A_file_may_include_others_and_says_so_when_they_include_each_other()
    {
        Write("base.conf", "ecomstream.join.shards = 5");
        var file = Write("profile.conf", "include \"base.conf\"\necomstream.writer.writers = 2");
        var settings = HostSettings.Read(ConfigurationLoader.Load(file, [], new Dictionary<string, string>()), null);
        settings.Pipeline.Shards.ShouldBe(5);
        settings.Pipeline.Writers.ShouldBe(2);

        Write("one.conf", "include \"two.conf\"");
        var loop = Write("two.conf", "include \"one.conf\"");
        Should.Throw<ConfigurationException>(() => ConfigurationLoader.Load(loop, [], new Dictionary<string, string>()))
            .Message.ShouldContain("includes itself");
    }

    [Fact]
    public void A_file_that_is_not_there_is_named()
    {
        Should.Throw<ConfigurationException>(() => ConfigurationLoader.Load("none.conf", [], new Dictionary<string, string>()))
            .Message.ShouldContain("none.conf");
    }

    [Theory]
    [InlineData("ecomstream {\n  join.shards = [1, 2 }", "'}' in line 2 does not close the '[' of line 2")]
    [InlineData("ecomstream {\n  join { shards = 2\n}", "the '{' of line 1 is not closed")]
    [InlineData("# {\n}", "'}' in line 2 closes nothing")]
    [InlineData("ecomstream.data-dir = \"a", "the quote that opens in line 1 is not closed")]
    public void A_file_whose_brackets_or_quotes_do_not_match_is_named_with_the_line(string text, string wrong)
    {
        var broken = Write("broken.conf", text);
        var error = Should.Throw<ConfigurationException>(() => ConfigurationLoader.Load(broken, [], new Dictionary<string, string>()));
        error.Message.ShouldContain("broken.conf");
        error.Message.ShouldContain(wrong);
    }

    [Theory]
    [InlineData("ecomstream.join.shard=4", "ecomstream.join.shards")]
    [InlineData("ecomstream.unmatched.graze=4s", "ecomstream.unmatched.grace")]
    [InlineData("ecomstream.pubsub.subscriber.stream=2", "ecomstream.pubsub.subscriber.streams")]
    [InlineData("ecomstream.broker.prt=1", "ecomstream.broker.port")]
    public void An_unknown_key_is_answered_with_the_nearest_right_one(string set, string nearest) =>
        ConfigurationCheck.UnknownKeys(ConfigurationLoader.Load(null, [set], new Dictionary<string, string>()))
            .ShouldHaveSingleItem().ShouldContain($"Did you mean {nearest}?");

    [Theory]
    [InlineData("ecomstream.store.kind=oracle")]
    [InlineData("ecomstream.broker.port=70000")]
    [InlineData("ecomstream.broker.fsync=sometimes")]
    [InlineData("ecomstream.store.sqlite.durability=best")]
    [InlineData("ecomstream.setup.create-missing=perhaps")]
    [InlineData("ecomstream.pubsub.subscriber.ack-deadline=1s")]
    [InlineData("ecomstream.shutdown-timeout=never")]
    public void A_wrong_value_is_named_with_its_path(string set) =>
        ConfigurationCheck.Problems(ConfigurationLoader.Load(null, [set], new Dictionary<string, string>()), null)
            .ShouldHaveSingleItem().ShouldContain(set.Split('=')[0]);

    [Fact]
    public void The_emulator_variable_goes_before_the_configuration_and_then_no_broker_is_started()
    {
        var config = ConfigurationLoader.Load(null, [], new Dictionary<string, string>());
        HostSettings.Read(config, null).RunsBroker.ShouldBeTrue();
        var settings = HostSettings.Read(config, "localhost:1234");
        settings.RunsBroker.ShouldBeFalse();
        settings.PubSub.EmulatorHost.ShouldBe("localhost:1234");
    }

    [Theory]
    [InlineData("embedded.conf")]
    [InlineData("emulator.conf")]
    [InlineData("gcp.conf")]
    public async Task The_environment_names_the_project_where_no_setting_does(string profile)
    {
        const string Path = "ecomstream.pubsub.project-id";
        var environment = new Dictionary<string, string> { ["GOOGLE_CLOUD_PROJECT"] = "cloud" };
        var settings = HostSettings.Read(ConfigurationLoader.Load(profile, [], environment), null, environment);
        settings.PubSub.ProjectId.ShouldBe("cloud");
        EffectiveSettings.Of(settings, environment).Single(setting => setting.Path == Path).ShouldBe(new EffectiveSetting(Path, "cloud", "environment"));

        HostSettings.Read(ConfigurationLoader.Load(profile, [$"{Path}=shop"], environment), null, environment).PubSub.ProjectId.ShouldBe("shop");

        var place = new CommandLineRun.Place { Environment = environment };
        (await CommandLineRun.In(place, "config", "show", "--config", profile)).Out.ShouldContain($"{Path} = cloud  # GOOGLE_CLOUD_PROJECT");
        (await CommandLineRun.In(place, "config", "show", "--config", profile, "--set", $"{Path}=shop")).Out.ShouldContain($"{Path} = shop  # --set");
    }

    [Fact]
    public void Every_key_of_the_reference_files_stands_in_the_commented_profile_with_the_same_default()
    {
        var profile = ConfigurationLoader.Load(Path.Combine(AppContext.BaseDirectory, "hocon", "ecomstream.conf"), [], new Dictionary<string, string>());
        const string Project = "ecomstream.pubsub.project-id = ecomstream";
        Leaves(profile).ShouldBe(Leaves(HostSettings.Reference).Where(leaf => leaf != Project), ignoreOrder: true);

        // A value would take precedence over the variables that name the project.
        File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "hocon", "ecomstream.conf")).ShouldContain("# project-id = \"ecomstream\"");
    }

    private static List<string> Leaves(Config config)
    {
        static IEnumerable<string> Of(Akka.Configuration.Hocon.HoconValue value, string path) => value.IsObject()
            ? value.GetObject().Items.SelectMany(item => Of(item.Value, $"{path}.{item.Key}"))
            : [$"{path} = {value.GetString()}"];
        return [.. Of(config.GetValue("ecomstream"), "ecomstream")];
    }

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }
}
