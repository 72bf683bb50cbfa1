using System.Text;
using Akka.Configuration;
using EcomStream.Hosting;

namespace EcomStream.Chaos.Fuzzing.Targets;

/// <summary>Configuration files and their substitutions. What is wrong is a <see cref="ConfigurationException"/>.</summary>
internal sealed class HoconTarget : IFuzzTarget
{
    private static readonly IReadOnlyList<byte[]> _corpus = Corpus.Of(
        """
        # comment
        ecomstream {
          unmatched.grace = 30s, "join" : { shards = 8 }
          store.cassandra.contact-points = ["a:1", "b", ${?PORT}]
        }
        """,
        "a = 1\na = ${a}2\nb { c = ${a} \"x\" }\nb += 3\nb = ${b} { d = 4 }",
        "list = [1, 2]\nlist += 3\nlist = ${list} [4]\ntext = \"\"\"three \"quotes\" \"\"\"\ninclude \"none.conf\"",
        "x { y = ${z.w}, v = null }\nz { w = ${?HOME}/a b c }\nx.y.u = {}",
        "a.\"b c\".d = \"\\u00e9\\n\"\ne = 1h30m // end\nf = ${a}");

    private static readonly IReadOnlyList<byte[]> _tokens = Corpus.Of(
        "{", "}", "[", "]", "${", "${?", "}", "${a}", "${b}", "${x.y}", "=", "+=", ":", ",", "\n", "\"", "\"\"\"", "\\", "\\u", "#", "//", "include ", "include required(file(\"x\"))",
        "include url(\"x\")", ".", "..", "a", "b.c", " ", "\t", "null", "1", "\uFEFF", "é", "[[", "{a=", "a{", "$", "?", "`", "^");

    private readonly Dictionary<string, string> _environment = new() { ["HOME"] = "/root", ["PORT"] = "8085" };

    public string Name => "hocon";

    public int Weight => 100;

    public void Run(FuzzInput input)
    {
        var text = Encoding.UTF8.GetString(input.Next(_corpus, _tokens));
        try
        {
            var values = new ConfigResolver(ConfigDefinitions.OfText("fuzz.conf", text).All, _environment).Resolve();
            _ = values.Leaves().Select(leaf => leaf.Path.ToString()).Count();
            _ = LoadedConfiguration.Of(values);
        }
        catch (ConfigurationException)
        {
            // As documented.
        }
    }

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
