using Akka.Configuration;

namespace EcomStream.Hosting.Tests.Configuration;

/// <summary>Files, includes, and every problem of a configuration at once, with its place.</summary>
public sealed class ConfigurationProblemsTests : IDisposable
{
    private static readonly Dictionary<string, string> _nothing = [];
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("ecomstream-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Every_wrong_unknown_and_misplaced_key_is_reported_at_once_with_file_and_line()
    {
        var file = Write("a.conf", """
            ecomstream {
              unmatched.graze = 5s
              join.shards = 0
              writer.linger = soon
              store { kind = oracle, cassandra = 5 }
              status-interval = 30
            }
            unmatched.grace = 7s
            ecomstrem { join.shards = 2 }
            """);

        var problems = Problems(file);

        problems.Length.ShouldBe(8, string.Join('\n', problems));
        foreach (var (line, text) in new[]
        {
            (2, "ecomstream.unmatched.graze is not a setting. Did you mean ecomstream.unmatched.grace?"),
            (3, "ecomstream.join.shards"),
            (4, "ecomstream.writer.linger"),
            (5, "ecomstream.store.kind"),
            (5, "ecomstream.store.cassandra is a section"),
            (6, "ecomstream.status-interval = 30: must have a unit"),
            (8, "unmatched.grace is not a setting. Did you mean ecomstream.unmatched.grace?"),
            (9, "ecomstrem.join.shards is not a setting. Did you mean ecomstream.join.shards?"),
        })
        {
            problems.ShouldContain(problem => problem.StartsWith($"{file}:{line}: ") && problem.Contains(text), $"{text} in\n{string.Join('\n', problems)}");
        }
    }

    [Theory]
    [InlineData("unmatched.grace=7s", "--set: unmatched.grace is not a setting. Did you mean ecomstream.unmatched.grace?")]
    [InlineData("ecomstream.status-interval=soon", "--set: ecomstream.status-interval = soon: must be a duration with a unit")]
    [InlineData("ecomstream.status-interval=30", "must have a unit")]
    [InlineData("ecomstream.store.cassandra.rewrite-bytes=many", "--set: ecomstream.store.cassandra.rewrite-bytes")]
    [InlineData("nothing=1", "nothing is not a setting")]
    [InlineData("ecomstream.http.address=here", "--set: ecomstream.http.address (--http) = here: it must be an IP address and a port")]
    [InlineData("ecomstream.http.token=schl\u00fcssel", "--set: ecomstream.http.token: must consist of printable ASCII characters")]
    public void A_wrong_set_is_reported(string set, string problem) =>
        ConfigurationCheck.Problems(ConfigurationLoader.Read(null, [set], _nothing), null).ShouldHaveSingleItem().ShouldContain(problem);

    [Fact]
    public void A_wrong_variable_is_reported_by_its_name() =>
        ConfigurationCheck.Problems(ConfigurationLoader.Read(null, [], new Dictionary<string, string> { ["ECOMSTREAM__UNMATCHED__GRAZE"] = "5s" }), null)
            .ShouldHaveSingleItem().ShouldStartWith("ECOMSTREAM__UNMATCHED__GRAZE: ecomstream.unmatched.graze is not a setting");

    [Theory]
    [InlineData("akka.loglevel = DEBUG")]
    [InlineData("pg { host = x }\necomstream.data-dir = ${pg.host}")]
    [InlineData("ecomstream.shard-dispatcher.anything = 1")]
    [InlineData("ecomstream {}")]
    [InlineData("ecomstream.status-interval = 0")]
    [InlineData("ecomstream.status-interval = 1.5m")]
    [InlineData("ecomstream.http.address = \"0.0.0.0:9090\"")]
    public void What_is_valid_has_no_problems(string text) => Problems(Write("a.conf", text)).ShouldBeEmpty();

    [Fact]
    public void The_environment_fills_substitutions()
    {
        var file = Write("a.conf", "ecomstream.broker.port = 8085\necomstream.broker.port = ${?PORT}");
        Settings(file, new() { ["PORT"] = "9000" }).BrokerPort.ShouldBe(9000);
        Settings(file, []).BrokerPort.ShouldBe(8085);
        Should.Throw<ConfigurationException>(() => Settings(Write("b.conf", "\necomstream.broker.port = ${PORT}"), [])).Message.ShouldContain("b.conf:2: ");
    }

    [Fact]
    public void Every_form_of_include_is_read_and_a_missing_optional_file_is_a_note()
    {
        Directory.CreateDirectory(Path.Combine(_folder.FullName, "sub"));
        Write("plain.conf", "ecomstream.join.shards = 1");
        Write("file.conf", "ecomstream.writer.writers = 2");
        Write("required.conf", "base = 3s");
        Write(Path.Combine("sub", "inner.conf"), "grace = ${base}\nbase = 4s\ninclude \"deeper.conf\"");
        Write(Path.Combine("sub", "deeper.conf"), "park-after = ${?base}");
        var file = Write("a.conf", """
            include "plain"
            include file("file.conf")
            include required(file("required.conf"))
            include required("plain.conf")
            include "none.conf"
            ecomstream.unmatched { include "sub/inner.conf" }
            """);

        var loaded = ConfigurationLoader.Read(file, [], _nothing);

        loaded.Notes.ShouldHaveSingleItem().ShouldBe($"{file}:5: the included file none.conf does not exist and is left out");
        var unmatched = (SectionValue)loaded.Values.At(ConfigPath.Parse("ecomstream.unmatched"))!;
        ((TextValue)unmatched.At(ConfigPath.Parse("grace"))!).Text.ShouldBe("4s");
        ((TextValue)unmatched.At(ConfigPath.Parse("park-after"))!).Text.ShouldBe("4s");
        loaded.Values.At(ConfigPath.Parse("ecomstream.join.shards")).ShouldNotBeNull().Origin.ToString().ShouldEndWith("plain.conf:1");
        loaded.Values.At(ConfigPath.Parse("ecomstream.writer.writers")).ShouldNotBeNull();
    }

    [Theory]
    [InlineData(" leading and trailing ")]
    [InlineData("null")]
    [InlineData("")]
    [InlineData("with \"quotes\" and \\ and ${x} # and // more")]
    public void A_password_stays_as_it_is_written_in_every_place(string password)
    {
        const string Key = "ecomstream.store.cassandra.password";
        var quoted = password.Replace("\\", "\\\\").Replace("\"", "\\\"");
        Settings(Write("a.conf", $"{Key} = \"{quoted}\""), []).Cassandra.Password.ShouldBe(password);
        Settings(null, new() { ["ECOMSTREAM__STORE__CASSANDRA__PASSWORD"] = password }).Cassandra.Password.ShouldBe(password);
        HostSettings.Read(ConfigurationLoader.Load(null, [$"{Key}={password}"], _nothing), null).Cassandra.Password.ShouldBe(password);
        var file = Write("secret", password + "\n").Replace("\\", "\\\\");
        Settings(Write("b.conf", $"ecomstream.store.cassandra.password-file = \"{file}\""), []).Cassandra.Password.ShouldBe(password);
    }

    [Fact]
    public void A_password_file_that_cannot_be_read_or_stands_beside_a_password_is_a_problem()
    {
        ConfigurationCheck.Problems(ConfigurationLoader.Read(null, ["ecomstream.store.cassandra.password-file=/none/here"], _nothing), null)
            .ShouldHaveSingleItem().ShouldContain("cannot be read");
        ConfigurationCheck.Problems(
                ConfigurationLoader.Read(null, ["ecomstream.store.cassandra.password-file=/none", "ecomstream.store.cassandra.password=x"], _nothing), null)
            .ShouldHaveSingleItem().ShouldContain("must be empty while");
    }

    [Fact]
    public void A_later_set_takes_precedence_and_a_list_may_be_given_as_text()
    {
        var settings = HostSettings.Read(
            ConfigurationLoader.Load(
                null,
                ["ecomstream.join.shards=2", "ecomstream.join.shards=3", "ecomstream.store.cassandra.contact-points=[\"a:1\", \"b:2\"]"],
                _nothing),
            null);
        settings.Pipeline.Shards.ShouldBe(3);
        settings.Cassandra.ContactPoints.ShouldBe(["a:1", "b:2"]);
        ConfigurationCheck.Problems(ConfigurationLoader.Read(null, ["ecomstream.store.cassandra.contact-points=[\"a\" }]"], _nothing), null)
            .ShouldHaveSingleItem().ShouldContain("contact-points");
    }

    private string[] Problems(string file) => [.. ConfigurationCheck.Problems(ConfigurationLoader.Read(file, [], _nothing), null)];

    private static HostSettings Settings(string? file, Dictionary<string, string> environment) =>
        HostSettings.Read(ConfigurationLoader.Load(file, [], environment), null);

    private string Write(string name, string text)
    {
        var path = Path.Combine(_folder.FullName, name);
        File.WriteAllText(path, text);
        return path;
    }
}
